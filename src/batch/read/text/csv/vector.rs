//! Reads numbers with AVX2 on x86-64: one comparison finds the end of a cell, and all digits of a fraction are converted together.
#![allow(unsafe_code)]

use std::{arch::x86_64::*, sync::LazyLock};

use super::cells::CellReader;
use crate::batch::read::values::{
    ColumnBuilder,
    decimal::{Decimal, Fraction, PLACES, WINDOW},
    numbers::Float as _,
};

/// Bytes of a vector.
const BYTES: usize = 32;

/// Whether this CPU has the instructions that [`read`] uses.
static FOUND: LazyLock<bool> = LazyLock::new(|| {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
});

/// Reads cells into the columns of floats that `columns` starts with, up to the end of the record, the first column of another type or the
/// first cell that is no plain number. Returns how many were read; the separator after the last of them is not skipped.
#[inline]
pub(super) fn numbers(cells: &mut CellReader<'_>, columns: &mut [Option<ColumnBuilder>]) -> usize {
    // SAFETY: `FOUND` says that the CPU has the instructions.
    if *FOUND { unsafe { read(cells, columns) } } else { 0 }
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn read(cells: &mut CellReader<'_>, columns: &mut [Option<ColumnBuilder>]) -> usize {
    let text = cells.rest();
    let (mut start, mut end, mut count) = (0, 0, 0);
    for column in columns {
        let Some(cell) = text.get(start..) else { break };
        let decimal = || Decimal::read_by(cell, |window| length(window), |digits, count| fraction(digits, count));
        let length = match column {
            Some(ColumnBuilder::Double(column)) => {
                let Some((decimal, length)) = decimal() else { break };
                let Some(value) = f64::nearest(decimal) else { break };
                column.append_value(value);
                length
            }
            Some(ColumnBuilder::Float(column)) => {
                let Some((decimal, length)) = decimal() else { break };
                let Some(value) = f32::nearest(decimal) else { break };
                column.append_value(value);
                length
            }
            _ => break,
        };
        count += 1;
        end = start + length;
        if text.get(end) != Some(&b',') {
            break;
        }
        start = end + 1;
    }
    cells.advance(end);
    count
}

/// Index of the first byte below `-`, which is true of every byte that ends a cell and of no byte of a plain number; 32 where there is none
/// in the first 32 bytes.
#[target_feature(enable = "avx2")]
#[inline]
fn length(window: &[u8; WINDOW]) -> usize {
    const { assert!(WINDOW >= BYTES) }
    // SAFETY: the window has at least 32 bytes.
    let text = unsafe { _mm256_loadu_si256(window.as_ptr().cast()) };
    let below = _mm256_cmpgt_epi8(_mm256_set1_epi8(b'-'.cast_signed()), text);
    _mm256_movemask_epi8(below).cast_unsigned().trailing_zeros() as usize
}

/// The first `count` bytes as 18 decimal places, as [`Decimal::read_by`] wants them: 16 digits are in the lower half of a vector, the last two
/// in the upper half.
#[target_feature(enable = "avx2")]
#[inline]
fn fraction(text: &Fraction, count: usize) -> Option<u64> {
    const { assert!(size_of::<Fraction>() == BYTES) }
    if count == 0 || count > PLACES {
        return None;
    }
    let kept: &[u8; BYTES] = KEPT[BYTES - count..].first_chunk()?;
    // SAFETY: both arrays have 32 bytes.
    let (text, kept) = unsafe { (_mm256_loadu_si256(text.as_ptr().cast()), _mm256_loadu_si256(kept.as_ptr().cast())) };
    let digits = _mm256_and_si256(_mm256_sub_epi8(text, _mm256_set1_epi8(b'0'.cast_signed())), kept);
    let beyond_nine = _mm256_subs_epu8(digits, _mm256_set1_epi8(9));
    if _mm256_testz_si256(beyond_nine, beyond_nine) == 0 {
        return None;
    }
    // Neighbouring digits are joined to numbers of two digits, those to numbers of four, and those to numbers of eight.
    let pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(i16::from_le_bytes([10, 1])));
    let hundreds = _mm256_set_epi16(0, 0, 0, 0, 0, 0, 0, 1, 1, 100, 1, 100, 1, 100, 1, 100);
    let quads = _mm256_madd_epi16(pairs, hundreds);
    let packed = _mm256_packus_epi32(quads, quads);
    let thousands = _mm256_set_epi16(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 10_000, 1, 10_000);
    let eights = _mm256_madd_epi16(packed, thousands);
    let upper = _mm_cvtsi128_si64(_mm256_castsi256_si128(eights)).cast_unsigned();
    let last = _mm_cvtsi128_si32(_mm256_extracti128_si256::<1>(eights)).cast_unsigned();
    Some((upper & 0xffff_ffff) * 10_000_000_000 + (upper >> 32) * 100 + u64::from(last))
}

/// The 32 bytes from `32 - n` on are a mask of the first `n` bytes of a vector.
const KEPT: [u8; 2 * BYTES] = {
    let mut mask = [0; 2 * BYTES];
    let mut at = 0;
    while at < BYTES {
        mask[at] = u8::MAX;
        at += 1;
    }
    mask
};

#[cfg(test)]
mod tests {
    use arrow::{
        array::AsArray,
        datatypes::{DataType, Float32Type, Float64Type},
    };
    use proptest::prelude::*;

    use super::*;

    /// Text after the cells, long enough that a window of 64 bytes fits.
    const AFTER: &str = "\n1234567890123456789012345678901234567890123456789012345678901234567890";

    const KINDS: [DataType; 2] = [DataType::Float64, DataType::Float32];

    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            (-1e3..1e3).prop_map(|value: f64| value.to_string()),
            any::<f32>().prop_map(|value| value.to_string()),
            "-?[0-9]{1,3}\\.[0-9]{1,18}",
            "-?[0-9]{1,21}(\\.[0-9]{0,21})?",
            "-?[0-9]{0,3}[-+.,eE \"\r/:a]{0,2}[0-9]{0,19}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

        /// The cells that are counted as read have the values of `str::parse`, and the rest of the text starts where the last of them ends.
        #[test]
        fn numbers_are_those_of_str_parse(numbers_written in prop::collection::vec(number(), 1..6)) {
            let text = numbers_written.join(",") + AFTER;
            let mut columns: Vec<_> = KINDS.iter().cycle().take(6).map(|kind| ColumnBuilder::new(kind, false, 0)).collect();
            let mut cells = CellReader::new(text.as_bytes(), b',');
            let count = numbers(&mut cells, &mut columns);
            let read: Vec<&str> = text.split([',', '\n', '\r']).take(count).collect();
            prop_assert_eq!(cells.rest(), &text.as_bytes()[read.join(",").len()..]);
            for (column, cell) in columns.into_iter().zip(&read) {
                let found = column.unwrap().finish().unwrap();
                match found.data_type() {
                    DataType::Float64 => {
                        prop_assert_eq!(found.as_primitive::<Float64Type>().value(0).to_bits(), cell.parse::<f64>().unwrap().to_bits());
                    }
                    _ => prop_assert_eq!(found.as_primitive::<Float32Type>().value(0).to_bits(), cell.parse::<f32>().unwrap().to_bits()),
                }
            }
        }

        /// Plain numbers are all read, up to the record's end.
        #[test]
        fn a_record_of_plain_numbers_is_read_at_once(values in prop::collection::vec(-99.0..99.0_f64, 1..9)) {
            prop_assume!(*FOUND && values.iter().all(|value| value.abs() >= 0.1));
            let text = values.iter().map(f64::to_string).collect::<Vec<_>>().join(",") + AFTER;
            let mut columns: Vec<_> = (0..9).map(|_| ColumnBuilder::new(&DataType::Float64, false, 0)).collect();
            let mut cells = CellReader::new(text.as_bytes(), b',');
            prop_assert_eq!(numbers(&mut cells, &mut columns), values.len());
            prop_assert_eq!(cells.rest(), AFTER.as_bytes());
        }
    }

    #[test]
    fn other_columns_and_the_end_of_the_text_are_left() {
        let mut columns = [DataType::Float64, DataType::Utf8].map(|kind| ColumnBuilder::new(&kind, false, 0));
        let text = format!("0.5,0.5{AFTER}");
        let mut cells = CellReader::new(text.as_bytes(), b',');
        assert_eq!(numbers(&mut cells, &mut columns), usize::from(*FOUND));
        assert_eq!(numbers(&mut CellReader::new(b"0.5,0.5", b','), &mut columns), 0);
        assert_eq!(numbers(&mut CellReader::new(text.as_bytes(), b','), &mut columns[1..]), 0);
        assert_eq!(numbers(&mut CellReader::new(text.as_bytes(), b','), &mut []), 0);
    }
}
