//! Finds the end of the last complete CSV record in text that is still being read.

use memchr::{memchr, memrchr};

/// Searches text for quotes and line ends.
#[derive(Debug)]
pub(in crate::batch::read::text) struct RecordScan {
    /// Where the first record starts.
    start: usize,
    delimiter: u8,
    /// How far the text was searched.
    at: usize,
    /// Whether `at` is inside quotes.
    quoted: bool,
    /// End of the last complete record so far.
    end: usize,
}

impl RecordScan {
    /// A scan of text whose first record starts at byte `start`.
    pub(in crate::batch::read::text) fn from(start: usize, delimiter: u8) -> Self {
        Self { start, delimiter, at: start, quoted: false, end: 0 }
    }

    /// Continues to the end of `text`, which starts with the text of the previous call. Returns where the last complete record ends; 0 when
    /// there is none yet.
    pub(in crate::batch::read::text) fn run(&mut self, text: &[u8]) -> usize {
        while self.at < text.len() {
            let quote = memchr(b'"', &text[self.at..]).map(|length| self.at + length);
            if self.quoted {
                let Some(quote) = quote else {
                    self.at = text.len();
                    break;
                };
                match text.get(quote + 1) {
                    Some(b'"') => self.at = quote + 2,
                    Some(_) => (self.quoted, self.at) = (false, quote + 1),
                    // Only the next byte tells whether this quote closes the cell or is one of two.
                    None => {
                        self.at = quote;
                        break;
                    }
                }
                continue;
            }
            let stop = quote.unwrap_or(text.len());
            if let Some(length) = memrchr(b'\n', &text[self.at..stop]) {
                self.end = self.at + length + 1;
            }
            // A quote has a meaning only at the start of a cell.
            self.quoted = quote.is_some()
                && (stop == self.start || text[stop - 1] == self.delimiter || matches!(text[stop - 1], b'\n' | b'\r'));
            self.at = stop + usize::from(quote.is_some());
        }
        self.end
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cells::tests::{found, text};
    use super::*;

    proptest! {
        /// However the text comes in, a block ends where a line's end ends a record, at the last there is.
        #[test]
        fn the_last_whole_record_is_found(text in text(), sizes in prop::collection::vec(1_usize..9, 1..60)) {
            let ends: Vec<usize> = found(&text).iter().map(|(_, end, _)| *end).collect();
            let mut scan = RecordScan::from(0, b',');
            let (mut seen, mut sizes) = (0, sizes.iter().cycle());
            while seen < text.len() {
                seen = (seen + sizes.next().unwrap()).min(text.len());
                let end = scan.run(&text[..seen]);
                // Blank lines after a record may go either way; a line's end in quotes never ends a block.
                let lines: Vec<usize> = (0..seen).filter(|at| text[*at] == b'\n').collect();
                let whole = |at: &usize| found(&text).iter().all(|(start, end, _)| *at < *start || *at >= *end);
                let last = lines.iter().copied().rfind(whole).map_or(0, |at| at + 1);
                prop_assert_eq!(end, last, "of {:?}, {:?}", String::from_utf8_lossy(&text[..seen]), ends);
            }
        }
    }
}
