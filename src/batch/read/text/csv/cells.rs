//! The cells of CSV text, one after the other: quotes and ends of lines as RFC 4180 and the `csv` crate read them.
//!
//! A cell is quoted when its first byte is a quote; elsewhere a quote is a byte like others. Records end at `\n`, `\r\n` or `\r`, the last
//! one also where the text ends. Blank lines are no records.

use memchr::{memchr, memchr3};

/// Walks over text that starts with a record.
pub(in crate::batch) struct CellReader<'a> {
    bytes: &'a [u8],
    at: usize,
    delimiter: u8,
    /// A quoted cell that has more quotes than the two around it.
    unquoted: Vec<u8>,
}

impl<'a> CellReader<'a> {
    /// Starts at the first record of `bytes`, whose cells are separated by `delimiter`.
    pub(in crate::batch) fn new(bytes: &'a [u8], delimiter: u8) -> Self {
        Self { bytes, at: 0, delimiter, unquoted: Vec::new() }
    }

    /// What separates the cells.
    pub(in crate::batch) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Goes to the next record: where it starts. `None` after the last.
    pub(in crate::batch) fn record(&mut self) -> Option<usize> {
        while matches!(self.bytes.get(self.at), Some(b'\r' | b'\n')) {
            self.at += 1;
        }
        (self.at < self.bytes.len()).then_some(self.at)
    }

    /// What is left of the text, from the next cell on.
    pub(in crate::batch) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The next cell, without its quotes. [`end`](Self::end) must follow before the next.
    pub(in crate::batch) fn cell(&mut self) -> &[u8] {
        let start = self.at;
        if self.bytes.get(start) == Some(&b'"') {
            return self.quoted(start + 1);
        }
        self.at = self.stop(start);
        &self.bytes[start..self.at]
    }

    /// Goes past a cell of `length` bytes that [`rest`](Self::rest) starts with.
    pub(in crate::batch) fn advance(&mut self, length: usize) {
        self.at += length;
    }

    /// Goes past what ends a cell. Where the record ends with it, the place of its end.
    pub(in crate::batch) fn end(&mut self) -> Option<usize> {
        let end = self.at;
        self.at = (end + 1).min(self.bytes.len());
        (self.bytes.get(end) != Some(&self.delimiter)).then_some(end)
    }

    /// How many cells the record has whose first cell is next; goes past it.
    pub(in crate::batch) fn width(&mut self) -> usize {
        let mut count = 1;
        loop {
            self.cell();
            if self.end().is_some() {
                return count;
            }
            count += 1;
        }
    }

    /// Where a cell that is not in quotes at `from` ends.
    fn stop(&self, from: usize) -> usize {
        memchr3(self.delimiter, b'\n', b'\r', &self.bytes[from..]).map_or(self.bytes.len(), |length| from + length)
    }

    fn quoted(&mut self, start: usize) -> &[u8] {
        let quote = |from: usize| memchr(b'"', &self.bytes[from..]).map_or(self.bytes.len(), |length| from + length);
        let first = quote(start);
        if self.bytes.get(first + 1).is_none_or(|byte| *byte == self.delimiter || matches!(byte, b'\n' | b'\r')) {
            self.at = (first + 1).min(self.bytes.len());
            return &self.bytes[start..first];
        }
        self.unquoted.clear();
        let (mut from, mut at) = (start, first);
        while self.bytes.get(at + 1) == Some(&b'"') {
            // Of two quotes one is meant.
            self.unquoted.extend_from_slice(&self.bytes[from..=at]);
            from = at + 2;
            at = quote(from);
        }
        self.unquoted.extend_from_slice(&self.bytes[from..at]);
        // What follows the closing quote belongs to the cell as it is.
        let after = (at + 1).min(self.bytes.len());
        self.at = self.stop(after);
        self.unquoted.extend_from_slice(&self.bytes[after..self.at]);
        &self.unquoted
    }
}

#[cfg(test)]
#[path = "cells_tests.rs"]
pub(in crate::batch) mod tests;
