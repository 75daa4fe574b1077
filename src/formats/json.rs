//! JSON as XGBoost writes it: numbers with a point or exponent are single precision, `NaN` and `Infinity` are numbers.

use super::{
    document::{Budget, Items, Value, Wanted},
    invalid,
};
use crate::error::{Error, Result};

/// Reads one document.
pub(super) fn read(bytes: &[u8], wanted: Wanted) -> Result<Value> {
    let mut reader = Reader { bytes, at: 0, budget: Budget::new(), wanted };
    reader.document().map_err(|error| error.context(format!("byte {}", reader.at)))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    budget: Budget,
    wanted: Wanted,
}

fn truncated() -> Error {
    invalid("the file ends inside a value")
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Value> {
        let value = self.value(0, true)?;
        match self.next() {
            Err(_) => Ok(value),
            Ok(_) => Err(invalid("text follows the document")),
        }
    }

    /// The next byte that is no space, left in place.
    fn next(&mut self) -> Result<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Ok(*byte);
            }
            self.at += 1;
        }
        Err(truncated())
    }

    fn expect(&mut self, wanted: u8) -> Result<()> {
        let found = self.next()?;
        if found != wanted {
            return Err(invalid(format!("expected '{}', found '{}'", char::from(wanted), char::from(found).escape_default())));
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(invalid(format!("expected '{word}'")));
        }
        self.at += word.len();
        Ok(value)
    }

    fn value(&mut self, depth: usize, keep: bool) -> Result<Value> {
        let first = self.next()?;
        if !matches!(first, b'-' | b'+' | b'0'..=b'9' | b'N' | b'I') {
            self.budget.spend(depth)?;
        }
        match first {
            b'{' => self.map(depth, keep),
            b'[' => self.list(depth, keep),
            b'"' => Ok(Value::Text(self.text()?)),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            b'N' => self.word("NaN", Value::Float(f32::NAN)),
            b'I' => self.word("Infinity", Value::Float(f32::INFINITY)),
            b'-' if self.bytes.get(self.at + 1) == Some(&b'I') => self.word("-Infinity", Value::Float(f32::NEG_INFINITY)),
            b'-' | b'+' | b'0'..=b'9' => self.number(),
            other => Err(invalid(format!("unexpected '{}'", char::from(other).escape_default()))),
        }
    }

    fn number(&mut self) -> Result<Value> {
        let start = self.at;
        let length =
            self.bytes[start..].iter().take_while(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')).count();
        self.at += length;
        let text = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default();
        let wrong = || invalid(format!("'{}' is no number", text.chars().take(40).collect::<String>()));
        if text.contains(['.', 'e', 'E']) {
            // Straight to single precision: by way of double it could round twice.
            text.parse().map(Value::Float).map_err(|_| wrong())
        } else {
            text.parse().map(Value::Int).map_err(|_| wrong())
        }
    }

    fn list(&mut self, depth: usize, keep: bool) -> Result<Value> {
        self.expect(b'[')?;
        let mut items = Items::new();
        if self.next()? == b']' {
            self.at += 1;
            return Ok(items.finish());
        }
        loop {
            let item = self.value(depth + 1, keep)?;
            if keep {
                items.push(item);
            }
            if self.next()? == b']' {
                self.at += 1;
                return Ok(items.finish());
            }
            self.expect(b',')?;
        }
    }

    fn map(&mut self, depth: usize, keep: bool) -> Result<Value> {
        self.expect(b'{')?;
        let mut entries = Vec::new();
        if self.next()? == b'}' {
            self.at += 1;
            return Ok(Value::Map(entries));
        }
        loop {
            self.next()?;
            let key = self.text()?;
            self.expect(b':')?;
            let keep = keep && (self.wanted)(&key);
            let value = self.value(depth + 1, keep).map_err(|error| error.context(&key))?;
            if keep {
                entries.push((key, value));
            }
            if self.next()? == b'}' {
                self.at += 1;
                return Ok(Value::Map(entries));
            }
            self.expect(b',')?;
        }
    }

    fn text(&mut self) -> Result<String> {
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            let byte = *self.bytes.get(self.at).ok_or_else(truncated)?;
            self.at += 1;
            match byte {
                b'"' => return String::from_utf8(text).map_err(|_| invalid("text that is no UTF-8")),
                b'\\' => {
                    let escaped = self.escape()?;
                    text.extend(escaped.encode_utf8(&mut [0; 4]).bytes());
                }
                other => text.push(other),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        let byte = *self.bytes.get(self.at).ok_or_else(truncated)?;
        self.at += 1;
        Ok(match byte {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'"' | b'\\' | b'/' => char::from(byte),
            b'u' => {
                let high = self.hex()?;
                let code = if (0xd800..0xdc00).contains(&high) && self.bytes[self.at..].starts_with(b"\\u") {
                    self.at += 2;
                    let low = self.hex()?;
                    0x10000 + ((high - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff)
                } else {
                    high
                };
                char::from_u32(code).ok_or_else(|| invalid("an escape that is no character"))?
            }
            other => return Err(invalid(format!("unknown escape '\\{}'", char::from(other).escape_default()))),
        })
    }

    fn hex(&mut self) -> Result<u32> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or_else(truncated)?;
        self.at += 4;
        let text = std::str::from_utf8(digits).unwrap_or_default();
        u32::from_str_radix(text, 16).map_err(|_| invalid("an escape without four hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(_: &str) -> bool {
        true
    }

    #[test]
    fn reads_numbers_in_single_precision() {
        let value = read(br#" {"a":[1,-2,3], "b":[1E0,5E-1,NaN], "c":[1,2.5,Infinity,-Infinity]}"#, all).unwrap();
        assert_eq!(value.find("a"), Some(&Value::Ints(vec![1, -2, 3])));
        assert_eq!(value.find("c"), Some(&Value::Floats(vec![1.0, 2.5, f32::INFINITY, f32::NEG_INFINITY])));
    }

    #[test]
    fn reads_text_and_names_what_is_broken() {
        let value = read("{\"a\\u00e9\\ud83d\\ude00\\n\":\"\u{fc}\",\"t\":[true,null,{}]}".as_bytes(), all).unwrap();
        assert_eq!(value.find("a\u{e9}\u{1f600}\n"), Some(&Value::Text("\u{fc}".into())));
        for broken in ["{", "{\"a\"", "{\"a\":", "{\"a\":1,}", "{\"a\":tru}", "{\"a\":1}x", "{\"a\":--1}", "{\"a\":\"\\q\"}"] {
            let error = read(broken.as_bytes(), all).unwrap_err();
            assert!(error.message().starts_with("byte "), "{error}");
        }
        let deep = "{\"a\":".repeat(100_000);
        assert!(read(deep.as_bytes(), all).unwrap_err().message().contains("nest deeper than 64"));
    }
}
