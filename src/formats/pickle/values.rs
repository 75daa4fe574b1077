//! The opcodes of plain values.

use super::machine::Machine;
use crate::{
    error::Result,
    formats::{
        invalid,
        objects::{Graph, Id, Value},
        unread,
    },
};

impl Machine<'_> {
    pub(super) fn int(&mut self, number: i64) -> Result<()> {
        self.push(Value::Int(number))
    }

    pub(super) fn int_line(&mut self) -> Result<()> {
        let line = self.stream.text_line()?;
        match line {
            "00" => self.stack.push(Graph::truth(false)),
            "01" => self.stack.push(Graph::truth(true)),
            line => {
                let number = whole(line.trim().trim_end_matches('L'));
                self.push(number.ok_or_else(|| invalid(format!("'{line}' is no whole number")))?)?;
            }
        }
        Ok(())
    }

    pub(super) fn long(&mut self, length: usize) -> Result<()> {
        let bytes = self.stream.take(length)?;
        if length > 8 {
            return self.push(Value::Huge);
        }
        let mut wide = [if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 }; 8];
        wide[..length].copy_from_slice(bytes);
        self.int(i64::from_le_bytes(wide))
    }

    pub(super) fn text(&mut self, width: usize) -> Result<()> {
        let length = self.stream.length(width)?;
        let bytes = self.stream.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => self.push(Value::Text(text.to_owned())),
            Err(_) if has_surrogates_alone(bytes) => Err(unread("text with halves of surrogate pairs is not read")),
            Err(_) => Err(invalid("text that is not UTF-8")),
        }
    }

    /// Text of protocol 0: characters up to U+00FF are bytes, the others are escaped.
    pub(super) fn escaped_text(&mut self) -> Result<()> {
        let line = self.stream.line()?;
        match line.contains(&b'\\') {
            true => Err(unread("escapes in protocol 0's text are not read")),
            false => self.push(Value::Text(line.iter().copied().map(char::from).collect())),
        }
    }

    /// Python 2's text of protocol 0.
    pub(super) fn quoted_text(&mut self) -> Result<()> {
        let line = self.stream.text_line()?.trim();
        let within = |quote| line.strip_prefix(quote)?.strip_suffix(quote);
        let inner = within('\'').or_else(|| within('"')).ok_or_else(|| invalid("text without quotes"))?;
        match inner.contains('\\') {
            true => Err(unread("escapes in protocol 0's text are not read")),
            false => self.push(Value::Text(inner.to_owned())),
        }
    }

    /// Python 2's text may be bytes as well; what is no UTF-8 is bytes.
    pub(super) fn old_text(&mut self, width: usize) -> Result<()> {
        let length = self.stream.length(width)?;
        let bytes = self.stream.take(length)?;
        let shared = || Value::Bytes(self.stream.source().slice_ref(bytes));
        self.push(std::str::from_utf8(bytes).map_or_else(|_| shared(), |text| Value::Text(text.to_owned())))
    }

    pub(super) fn bytes(&mut self, width: usize) -> Result<()> {
        let length = self.stream.length(width)?;
        let bytes = self.stream.take(length)?;
        self.push(Value::Bytes(self.stream.source().slice_ref(bytes)))
    }

    pub(super) fn tuple(&mut self, items: Vec<Id>) -> Result<()> {
        match items.is_empty() {
            true => self.stack.push(Graph::EMPTY),
            false => self.push(Value::Tuple(items))?,
        }
        Ok(())
    }
}

/// A whole number as Python writes or reads one: of any base that its prefix names, with underscores between digits.
fn whole(text: &str) -> Option<Value> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = rest.to_ascii_lowercase();
    let (digits, base) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', b'b', ..] => (&lower[2..], 2),
        _ => (&lower[..], 10),
    };
    let digits = digits.replace('_', "");
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return None;
    }
    Some(i64::from_str_radix(&format!("{sign}{digits}"), base).map_or(Value::Huge, Value::Int))
}

/// Whether all that makes bytes no UTF-8 are surrogates, which Python's text may hold one by one.
fn has_surrogates_alone(mut bytes: &[u8]) -> bool {
    while let Err(error) = std::str::from_utf8(bytes) {
        match &bytes[error.valid_up_to()..] {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, rest @ ..] => bytes = rest,
            _ => return false,
        }
    }
    true
}
