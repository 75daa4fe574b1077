//! The opcodes of plain values.

use super::machine::Machine;
use crate::{
    error::Result,
    formats::{
        invalid,
        objects::{Graph, Id, Value},
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
                let digits = line.trim().trim_end_matches('L');
                if digits.is_empty() || !digits.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(invalid(format!("'{line}' is no whole number")));
                }
                self.push(digits.parse().map_or(Value::Huge, Value::Int))?;
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
        let text = std::str::from_utf8(bytes).map_err(|_| invalid("text that is not UTF-8"))?;
        self.push(Value::Text(text.to_owned()))
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
