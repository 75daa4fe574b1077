//! The cells of CSV text, one after the other, with the quotes and line ends of RFC 4180 as the `csv` crate reads them.
//!
//! A cell is quoted when its first byte is a quote; a quote elsewhere has no meaning. A record ends at `\n`, `\r\n` or `\r`, or at the end
//! of the text. Blank lines are skipped.

use memchr::{memchr, memchr3};

/// Reads the cells of text that starts with a record.
pub(super) struct CellReader<'a> {
    bytes: &'a [u8],
    at: usize,
    delimiter: u8,
    /// The content of the last cell that has quotes inside its quotes.
    unquoted: Vec<u8>,
}

impl<'a> CellReader<'a> {
    /// Starts at the first record of `bytes`, whose cells are separated by `delimiter`.
    pub(super) fn new(bytes: &'a [u8], delimiter: u8) -> Self {
        Self { bytes, at: 0, delimiter, unquoted: Vec::new() }
    }

    /// What separates the cells.
    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Moves to the next record and returns where it starts; `None` after the last.
    pub(super) fn record(&mut self) -> Option<usize> {
        while matches!(self.bytes.get(self.at), Some(b'\r' | b'\n')) {
            self.at += 1;
        }
        (self.at < self.bytes.len()).then_some(self.at)
    }

    /// What is left of the text, from the next cell on.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The next cell, without its quotes. [`end`](Self::end) must be called before the next cell is read.
    pub(super) fn cell(&mut self) -> &[u8] {
        let start = self.at;
        if self.bytes.get(start) == Some(&b'"') {
            return self.quoted(start + 1);
        }
        self.at = self.stop(start);
        &self.bytes[start..self.at]
    }

    /// Skips a cell of `length` bytes at the start of [`rest`](Self::rest).
    pub(super) fn advance(&mut self, length: usize) {
        self.at += length;
    }

    /// Skips the separator or line end after a cell. Returns where the record ends, where it does.
    pub(super) fn end(&mut self) -> Option<usize> {
        let end = self.at;
        self.at = (end + 1).min(self.bytes.len());
        (self.bytes.get(end) != Some(&self.delimiter)).then_some(end)
    }

    /// Skips a record whose first cell is next, and returns how many cells it has.
    pub(super) fn width(&mut self) -> usize {
        let mut count = 1;
        loop {
            self.cell();
            if self.end().is_some() {
                return count;
            }
            count += 1;
        }
    }

    /// Where a cell ends whose text from `from` on is not in quotes.
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
            // Two quotes stand for one.
            self.unquoted.extend_from_slice(&self.bytes[from..=at]);
            from = at + 2;
            at = quote(from);
        }
        self.unquoted.extend_from_slice(&self.bytes[from..at]);
        // Text between the closing quote and the separator belongs to the cell.
        let after = (at + 1).min(self.bytes.len());
        self.at = self.stop(after);
        self.unquoted.extend_from_slice(&self.bytes[after..self.at]);
        &self.unquoted
    }
}

#[cfg(test)]
#[path = "cells_tests.rs"]
pub(super) mod tests;
