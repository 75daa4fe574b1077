//! Reads numbers in plain notation from the start of text, without finding the end of the cell first.

use fast_float2::FastFloat;

use super::decimal::{Decimal, ends_cell};

/// Digits that always fit 64 bits.
const SHORT: usize = 18;

/// A type of floating-point numbers.
pub(in crate::batch::read) trait Float: FastFloat {
    /// The number nearest to a decimal; `None` where [`Decimal::nearest`] cannot decide.
    fn nearest(decimal: Decimal) -> Option<Self>;
}

impl Float for f64 {
    #[inline]
    fn nearest(decimal: Decimal) -> Option<Self> {
        decimal.nearest::<{ Self::MANTISSA_DIGITS }>()
    }
}

impl Float for f32 {
    #[inline]
    fn nearest(decimal: Decimal) -> Option<Self> {
        // A double that has only 24 significant bits converts exactly.
        decimal.nearest::<{ Self::MANTISSA_DIGITS }>().map(|value| value as Self)
    }
}

/// The number at the start of `text` and its length. `None` unless it is in plain notation (`-12`, `0.5`, `1e-7`) and a whole cell. It is
/// rounded as `str::parse` rounds.
#[inline]
pub(in crate::batch::read) fn float<T: Float>(text: &[u8]) -> Option<(T, usize)> {
    let short = Decimal::read(text).and_then(|(decimal, length)| Some((T::nearest(decimal)?, length)));
    short.or_else(|| by_library(text))
}

/// The same for numbers of every length and notation.
#[cold]
fn by_library<T: Float>(text: &[u8]) -> Option<(T, usize)> {
    // The library also reads `nan` and `-nan`, which mean a missing value here.
    let first = text.get(usize::from(text.first() == Some(&b'-')))?;
    if !first.is_ascii_digit() {
        return None;
    }
    let (value, length) = fast_float2::parse_partial(text).ok()?;
    ends_cell(text.get(length)).then_some((value, length))
}

/// The same for whole numbers of at most 18 digits.
pub(in crate::batch::read) fn whole(text: &[u8]) -> Option<(i64, usize)> {
    let sign = usize::from(text.first() == Some(&b'-'));
    let mut value = 0;
    let mut length = sign;
    while let Some(digit) = text.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        if length == sign + SHORT {
            return None;
        }
        value = value * 10 + i64::from(digit);
        length += 1;
    }
    let plain = length > sign && ends_cell(text.get(length));
    plain.then_some((if sign == 1 { -value } else { value }, length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers, and texts that are almost numbers.
    fn cell() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<f64>().prop_map(|value| format!("{value:?}")),
            any::<f64>().prop_map(|value| format!("{value:e}")),
            any::<f32>().prop_map(|value| value.to_string()),
            any::<i64>().prop_map(|value| value.to_string()),
            "-?[0-9]{1,25}(\\.[0-9]{0,25})?([eE][+-]?[0-9]{1,3})?",
            "[-+]{0,2}[0-9.eEnaifNIxX_# ]{0,6}",
        ]
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_str_parse(cell in cell(), after in prop_oneof!["", ",1", "\n2", "\r\n3", ",[0-9]{70}"]) {
            let text = format!("{cell}{after}");
            if let Some((value, length)) = float::<f64>(text.as_bytes()) {
                prop_assert_eq!(length, cell.len());
                prop_assert_eq!(value.to_bits(), cell.parse::<f64>().unwrap().to_bits());
            }
            if let Some((value, length)) = float::<f32>(text.as_bytes()) {
                prop_assert_eq!(length, cell.len());
                prop_assert_eq!(value.to_bits(), cell.parse::<f32>().unwrap().to_bits());
            }
            if let Some((value, length)) = whole(text.as_bytes()) {
                prop_assert_eq!((value, length), (cell.parse().unwrap(), cell.len()));
            }
        }

        #[test]
        fn plain_numbers_are_taken(value in any::<f64>().prop_filter("a number", |value| value.is_finite()), whole_value in -999_999_999_999_999_999_i64..=999_999_999_999_999_999) {
            for text in [value.to_string(), format!("{value:e},")] {
                prop_assert_eq!(float::<f64>(text.as_bytes()).map(|(value, _)| value.to_bits()), Some(value.to_bits()));
            }
            let text = format!("{whole_value}\n");
            prop_assert_eq!(whole(text.as_bytes()), Some((whole_value, text.len() - 1)));
        }
    }

    #[test]
    fn words_and_the_start_of_other_texts_are_no_numbers() {
        for text in [
            "",
            "-",
            "nan",
            "-nan",
            "-NaN",
            "inf",
            "-inf",
            "1.#IND",
            "-1.#QNAN",
            "1 ",
            "2024-01-02",
            "1e",
            "+1",
            ".5",
            "1\"",
            "0x1",
        ] {
            assert_eq!((float::<f64>(text.as_bytes()), whole(text.as_bytes())), (None, None), "{text}");
        }
    }
}
