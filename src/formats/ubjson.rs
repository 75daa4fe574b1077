//! UBJSON (<https://ubjson.org>), the part XGBoost writes and what is near it.

use super::{
    document::{Budget, Items, Value, Wanted},
    invalid,
};
use crate::error::{Error, Result};

/// Reads one document.
pub(super) fn read(bytes: &[u8], wanted: Wanted) -> Result<Value> {
    let mut reader = Reader { bytes, at: 0, budget: Budget::new(), wanted };
    let marker = reader.marker()?;
    let value = reader.value(marker, 0, true).map_err(|error| error.context(format!("byte {}", reader.at)))?;
    // XGBoost's own reader ignores what follows; a file that was cut and joined is worth an error.
    match reader.bytes.get(reader.at..) {
        None | Some([]) => Ok(value),
        Some(rest) => Err(invalid(format!("{} bytes follow the document", rest.len()))),
    }
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

/// Bytes of one number of a type marker.
fn width(marker: u8) -> Option<usize> {
    match marker {
        b'i' | b'U' | b'C' => Some(1),
        b'I' => Some(2),
        b'l' | b'd' => Some(4),
        b'L' | b'D' => Some(8),
        _ => None,
    }
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count).ok_or_else(truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or_else(truncated)?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| truncated())
    }

    fn peek(&self) -> Result<u8> {
        self.bytes.get(self.at).copied().ok_or_else(truncated)
    }

    /// The next type marker, after skipping no-ops.
    fn marker(&mut self) -> Result<u8> {
        loop {
            let marker = self.peek()?;
            self.at += 1;
            if marker != b'N' {
                return Ok(marker);
            }
        }
    }

    fn number(&mut self, marker: u8) -> Result<Value> {
        Ok(match marker {
            b'i' => Value::Int(i64::from(i8::from_be_bytes(self.array()?))),
            b'U' | b'C' => Value::Int(i64::from(u8::from_be_bytes(self.array()?))),
            b'I' => Value::Int(i64::from(i16::from_be_bytes(self.array()?))),
            b'l' => Value::Int(i64::from(i32::from_be_bytes(self.array()?))),
            b'L' => Value::Int(i64::from_be_bytes(self.array()?)),
            b'd' => Value::Float(f32::from_be_bytes(self.array()?)),
            b'D' => Value::Float(f64::from_be_bytes(self.array()?) as f32),
            other => return Err(invalid(format!("unknown type marker {other:#04x}"))),
        })
    }

    /// A length, never more than the bytes that are left.
    fn length(&mut self) -> Result<usize> {
        let marker = self.marker()?;
        let Value::Int(length) = self.number(marker)? else {
            return Err(invalid("a length that is no whole number"));
        };
        let left = self.bytes.len() - self.at;
        match usize::try_from(length) {
            Ok(length) if length <= left => Ok(length),
            _ => Err(invalid(format!("a length of {length} where {left} bytes are left"))),
        }
    }

    fn text(&mut self) -> Result<String> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| invalid("text that is no UTF-8"))
    }

    fn value(&mut self, marker: u8, depth: usize, keep: bool) -> Result<Value> {
        self.budget.spend(depth)?;
        match marker {
            b'Z' => Ok(Value::Null),
            b'T' => Ok(Value::Bool(true)),
            b'F' => Ok(Value::Bool(false)),
            b'S' => Ok(Value::Text(self.text()?)),
            b'[' => self.list(depth, keep),
            b'{' => self.map(depth, keep),
            other => self.number(other),
        }
    }

    fn list(&mut self, depth: usize, keep: bool) -> Result<Value> {
        match self.peek()? {
            b'$' => {
                self.at += 1;
                let kind = self.marker()?;
                self.expect(b'#')?;
                let length = self.length()?;
                let width = width(kind).ok_or_else(|| invalid(format!("a list of type {kind:#04x}")))?;
                let bytes = self.take(length.checked_mul(width).ok_or_else(truncated)?)?;
                Ok(if keep { numbers(kind, bytes) } else { Value::Null })
            }
            b'#' => {
                self.at += 1;
                let length = self.length()?;
                let mut items = Items::new();
                for _ in 0..length {
                    let marker = self.marker()?;
                    self.item(marker, &mut items, depth, keep)?;
                }
                Ok(items.finish())
            }
            _ => {
                let mut items = Items::new();
                loop {
                    match self.marker()? {
                        b']' => return Ok(items.finish()),
                        marker => self.item(marker, &mut items, depth, keep)?,
                    }
                }
            }
        }
    }

    fn item(&mut self, marker: u8, items: &mut Items, depth: usize, keep: bool) -> Result<()> {
        let item = if width(marker).is_some() { self.number(marker)? } else { self.value(marker, depth + 1, keep)? };
        if keep {
            items.push(item);
        }
        Ok(())
    }

    fn map(&mut self, depth: usize, keep: bool) -> Result<Value> {
        let mut left = None;
        if self.peek()? == b'#' {
            self.at += 1;
            left = Some(self.length()?);
        }
        let mut entries = Vec::new();
        loop {
            match &mut left {
                Some(0) => break,
                Some(left) => *left -= 1,
                None if self.peek()? == b'}' => {
                    self.at += 1;
                    break;
                }
                None => {}
            }
            let key = self.text()?;
            let keep = keep && (self.wanted)(&key);
            let marker = self.marker()?;
            let value = self.value(marker, depth + 1, keep).map_err(|error| error.context(&key))?;
            if keep {
                entries.push((key, value));
            }
        }
        Ok(Value::Map(entries))
    }

    fn expect(&mut self, wanted: u8) -> Result<()> {
        match self.marker()? {
            found if found == wanted => Ok(()),
            found => Err(invalid(format!("expected '{}', found {found:#04x}", char::from(wanted)))),
        }
    }
}

fn numbers(kind: u8, bytes: &[u8]) -> Value {
    fn each<const N: usize, T>(bytes: &[u8], make: impl Fn([u8; N]) -> T) -> Vec<T> {
        bytes.as_chunks::<N>().0.iter().map(|chunk| make(*chunk)).collect()
    }
    match kind {
        b'i' => Value::Ints(each(bytes, |b: [u8; 1]| i64::from(i8::from_be_bytes(b)))),
        b'I' => Value::Ints(each(bytes, |b: [u8; 2]| i64::from(i16::from_be_bytes(b)))),
        b'l' => Value::Ints(each(bytes, |b: [u8; 4]| i64::from(i32::from_be_bytes(b)))),
        b'L' => Value::Ints(each(bytes, i64::from_be_bytes)),
        b'd' => Value::Floats(each(bytes, f32::from_be_bytes)),
        b'D' => Value::Floats(each(bytes, |b| f64::from_be_bytes(b) as f32)),
        _ => Value::Ints(bytes.iter().map(|&byte| i64::from(byte)).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(_: &str) -> bool {
        true
    }

    #[test]
    fn reads_every_marker() {
        let mut bytes = b"{L\0\0\0\0\0\0\0\x01a[$d#L\0\0\0\0\0\0\0\x02".to_vec();
        bytes.extend(1.5f32.to_be_bytes());
        bytes.extend((-2.0f32).to_be_bytes());
        bytes.extend(b"i\x01b[i\xffI\x01\x00l\0\0\0\x07L\0\0\0\0\0\0\0\x08]U\x01c[#U\x02TZU\x01dSU\x02hiU\x01e{}U\x01f[]}");
        let value = read(&bytes, all).unwrap();
        assert_eq!(value.find("a"), Some(&Value::Floats(vec![1.5, -2.0])));
        assert_eq!(value.find("b"), Some(&Value::Ints(vec![-1, 256, 7, 8])));
        assert_eq!(value.find("c"), Some(&Value::List(vec![Value::Bool(true), Value::Null])));
        assert_eq!(value.find("d"), Some(&Value::Text("hi".into())));
        assert_eq!(value.find("e"), Some(&Value::Map(vec![])));
        assert_eq!(value.find("f"), Some(&Value::Ints(vec![])));
    }

    #[test]
    fn refuses_lengths_beyond_the_file_and_deep_nesting() {
        let mut huge = b"{U\x01a[$d#L".to_vec();
        huge.extend((1i64 << 40).to_be_bytes());
        assert!(read(&huge, all).unwrap_err().message().contains("a length of 1099511627776"));
        let mut negative = b"{U\x01a[#L".to_vec();
        negative.extend((-1i64).to_be_bytes());
        assert!(read(&negative, all).unwrap_err().message().contains("a length of -1"));
        let deep = [b"{U\x01a".as_slice(), &b"[".repeat(100_000)].concat();
        assert!(read(&deep, all).unwrap_err().message().contains("nest deeper than 64"));
        for end in 0..huge.len() {
            assert!(read(&huge[..end], all).is_err());
        }
    }

    #[test]
    fn passes_over_what_is_not_wanted() {
        let bytes = b"{U\x01a[$U#U\x03\x01\x02\x03U\x01b[{U\x01xT}]U\x01ci\x05}";
        let value = read(bytes, |key| key == "c").unwrap();
        assert_eq!(value, Value::Map(vec![("c".into(), Value::Int(5))]));
    }
}
