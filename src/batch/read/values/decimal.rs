//! Reads decimal numbers in plain notation (`-12.5`) from the start of text, without branches that depend on the sign or the number of digits:
//! a mispredicted branch costs more than the arithmetic.
//!
//! Digits are converted eight at a time. The number is divided by a power of ten as in Lemire, "Number parsing at a gigabyte per second"
//! (2021): by one product with a 128-bit reciprocal of a power of five. Where the product cannot decide how to round, the caller must.

/// Digits that always fit 64 bits.
const DIGITS: usize = 19;

/// Decimal places to which fractions are extended with zeros.
pub(in crate::batch::read) const PLACES: usize = DIGITS - 1;

/// Bytes that the text must still have, so that words are read without checking for its end.
pub(in crate::batch::read) const WINDOW: usize = 64;

/// Bytes that start with the digits of a fraction.
pub(in crate::batch::read) type Fraction = [u8; 32];

const LANES: u64 = 0x0101_0101_0101_0101;
const TOP_BITS: u64 = LANES << 7;

/// A number in decimal: `digits / 10^places`, where `digits` is less than `10^19`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::batch::read) struct Decimal {
    minus: bool,
    digits: u64,
    places: usize,
}

impl Decimal {
    /// The number at the start of `text`, and its length. `None` where it is not a whole cell, not of the form `-?[0-9]+(\.[0-9]+)?`, has more
    /// than 19 digits, or is within [`WINDOW`] bytes of the end of the text.
    #[inline]
    pub(in crate::batch::read) fn read(text: &[u8]) -> Option<(Self, usize)> {
        Self::read_by(text, length, fraction)
    }

    /// The same with other implementations of two steps. `length` returns the index, below [`WINDOW`], of the first byte that cannot be part of
    /// a number. `fraction` reads the given number of bytes as 18 decimal places, or returns `None` when there are none, too many, or one is
    /// no digit.
    #[inline(always)]
    pub(in crate::batch::read) fn read_by(
        text: &[u8],
        length: impl Fn(&[u8; WINDOW]) -> usize,
        fraction: impl Fn(&Fraction, usize) -> Option<u64>,
    ) -> Option<(Self, usize)> {
        let window: &[u8; WINDOW] = text.first_chunk()?;
        let end = length(window);
        if !ends_cell(window.get(end)) {
            return None;
        }
        let minus = window[0] == b'-';
        let start = usize::from(minus);
        let first = window[start].wrapping_sub(b'0');
        if first < 10 && window[start + 1] == b'.' {
            // One digit before the point, as most numbers of a table have.
            let fraction = fraction(window[start + 2..].first_chunk()?, end.wrapping_sub(start + 2))?;
            return Some((Self { minus, digits: u64::from(first) * TENS[PLACES] + fraction, places: PLACES }, end));
        }
        let (mut point, mut whole) = (start, 0);
        while point < start + DIGITS {
            let digit = window[point].wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            whole = whole * 10 + u64::from(digit);
            point += 1;
        }
        let long = point - start;
        if long == 0 {
            return None;
        }
        if point == end {
            return Some((Self { minus, digits: whole, places: 0 }, end));
        }
        let written = end - point - 1;
        if window[point] != b'.' || long + written > DIGITS {
            return None;
        }
        let fraction = fraction(window[point + 1..].first_chunk()?, written)?;
        // Extended to as many places as 19 digits allow, so that the rest does not depend on how many were written.
        let places = DIGITS - long;
        let fraction = if long == 1 { fraction } else { fraction / TENS[long - 1] };
        Some((Self { minus, digits: whole * TENS[places] + fraction, places }, end))
    }

    /// The nearest floating-point number with `BITS` significant bits (24 or 53). `None` where the decimal may lie half way between two.
    #[inline]
    pub(in crate::batch::read) fn nearest<const BITS: u32>(self) -> Option<f64> {
        let sign = u64::from(self.minus) << 63;
        if self.digits == 0 {
            return Some(f64::from_bits(sign));
        }
        let shift = self.digits.leading_zeros();
        let digits = u128::from(self.digits << shift);
        let Reciprocal { high, low, exponent } = RECIPROCALS[self.places];
        // The product is less than one unit away from the quotient, above or below.
        let product = digits * u128::from(high) + ((digits * u128::from(low)) >> 64);
        let (top, rest) = ((product >> 64) as u64, product as u64);
        let lead = (top >> 63) as u32;
        let spare = 62 - BITS + lead;
        // So the quotient is on the same side of every half-way point as the product, unless the product is itself half way.
        if ((top << (63 - spare)) ^ (1 << 63)) | rest == 0 {
            return None;
        }
        let mantissa = ((top >> spare) + 1) >> 1;
        let exponent = u64::from(1023 + 62 + lead - shift - exponent);
        Some(f64::from_bits(sign | ((exponent << 52) + (mantissa << (53 - BITS)))))
    }
}

/// Index of the first byte below `-`, which is true of every byte that ends a cell and of no byte of a plain number; 24 where there is none
/// in the first 24 bytes.
#[inline]
fn length(window: &[u8; WINDOW]) -> usize {
    let below = |at: usize| {
        let word = word(window, at);
        (word.wrapping_sub(LANES * u64::from(b'-')) & !word & TOP_BITS).trailing_zeros() as usize / 8
    };
    // The numbers of a table mostly end in the same word, so these branches are predicted.
    let (first, second, third) = (below(0), below(8), below(16));
    if first < 8 {
        return first;
    }
    if second < 8 {
        return 8 + second;
    }
    16 + third
}

/// The first `count` bytes as 18 decimal places; `None` when there are none, too many, or one is no digit.
#[inline]
fn fraction(text: &Fraction, count: usize) -> Option<u64> {
    let keep = KEPT.get(count).filter(|_| count > 0)?;
    let digits = |at: usize| (word(text, 8 * at) ^ (LANES * u64::from(b'0'))) & keep[at];
    let (first, second, third) = (digits(0), digits(1), digits(2));
    let beyond_nine = |digits: u64| digits.wrapping_add(LANES * (0x7f - 9)) | digits;
    if (beyond_nine(first) | beyond_nine(second) | beyond_nine(third)) & TOP_BITS != 0 {
        return None;
    }
    let last = (third & 0xff) * 10 + ((third >> 8) & 0xff);
    Some(eight(first) * TENS[10] + eight(second) * TENS[2] + last)
}

/// Converts eight digits, the first of which is in the lowest byte.
#[inline]
fn eight(digits: u64) -> u64 {
    const EVERY_FOURTH: u64 = 0x0000_00ff_0000_00ff;
    let pairs = (digits * 10) + (digits >> 8);
    let first = (pairs & EVERY_FOURTH).wrapping_mul((1_000_000 << 32) + 100);
    let second = ((pairs >> 16) & EVERY_FOURTH).wrapping_mul((10_000 << 32) + 1);
    first.wrapping_add(second) >> 32
}

#[inline]
fn word<const SIZE: usize>(text: &[u8; SIZE], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&text[at..at + 8]);
    u64::from_le_bytes(bytes)
}

/// For each number of bytes, masks of so many first bytes of three words.
const KEPT: [[u64; 3]; DIGITS] = {
    let mut masks = [[0; 3]; DIGITS];
    let mut count = 0;
    while count < DIGITS {
        let mut at = 0;
        while at < count {
            masks[count][at / 8] |= 0xff << (8 * (at % 8));
            at += 1;
        }
        count += 1;
    }
    masks
};

const TENS: [u64; DIGITS] = {
    let mut powers = [1; DIGITS];
    let mut places = 1;
    while places < DIGITS {
        powers[places] = powers[places - 1] * 10;
        places += 1;
    }
    powers
};

/// `2^(127 + n) / 5^places` with the `n` that gives it 128 bits, rounded up to the next greater integer.
#[derive(Clone, Copy)]
struct Reciprocal {
    high: u64,
    low: u64,
    /// `n + places`
    exponent: u32,
}

const RECIPROCALS: [Reciprocal; DIGITS] = {
    let mut table = [Reciprocal { high: 0, low: 0, exponent: 0 }; DIGITS];
    let (mut places, mut power) = (0, 1_u64);
    while places < DIGITS {
        let exponent = power.next_power_of_two().trailing_zeros();
        // Long division, one bit at a time.
        let (mut quotient, mut rest, mut bit) = (0_u128, power.next_power_of_two(), 0);
        while bit < 128 {
            quotient = (quotient << 1) | (rest >= power) as u128;
            rest = (rest % power) << 1;
            bit += 1;
        }
        quotient += 1;
        table[places] = Reciprocal { high: (quotient >> 64) as u64, low: quotient as u64, exponent: exponent + places as u32 };
        power *= 5;
        places += 1;
    }
    table
};

/// Whether a cell ends before this byte, or before the end of the text, where a comma separates cells.
pub(super) fn ends_cell(byte: Option<&u8>) -> bool {
    matches!(byte, None | Some(b',' | b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Text after a cell.
    const AFTER: &str = ",123456789012345678901234567890123456789012345678901234567890123\n";

    fn read(cell: &str) -> Option<(f64, f32)> {
        let text = format!("{cell}{AFTER}");
        let (decimal, length) = Decimal::read(text.as_bytes())?;
        assert_eq!(length, cell.len(), "{cell}");
        Some((decimal.nearest::<53>()?, decimal.nearest::<24>()? as f32))
    }

    /// Bits of the numbers that the standard library reads.
    fn expected(cell: &str) -> (u64, u32) {
        (cell.parse::<f64>().unwrap().to_bits(), cell.parse::<f32>().unwrap().to_bits())
    }

    /// `digits` with a point before the last `places` of them.
    fn written(minus: bool, digits: u64, places: usize) -> String {
        let text = format!("{digits:0width$}", width = places + 1);
        let (whole, fraction) = text.split_at(text.len() - places);
        let (sign, point) = (if minus { "-" } else { "" }, if places > 0 { "." } else { "" });
        format!("{sign}{whole}{point}{fraction}")
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

        /// Every number of 1 to 19 digits is read, and rounded as `str::parse` rounds it: to doubles and to floats.
        #[test]
        fn digits_are_rounded_as_str_parse_does(minus: bool, size in 1_u32..=19, random: u64, places in 0_usize..=18) {
            let digits = random % 10_u64.pow(size);
            let cell = written(minus, digits, places);
            let (double, float) = expected(&cell);
            let text = format!("{cell}{AFTER}");
            let Some((decimal, length)) = Decimal::read(text.as_bytes()) else {
                // Only where digits are too many, or the point is too far.
                let whole = cell.trim_start_matches('-').find('.').unwrap_or(0);
                prop_assert!(cell.trim_start_matches('-').len() > 20 || whole > 14, "{} is not read", cell);
                return Ok(());
            };
            prop_assert_eq!(length, cell.len());
            if let Some(value) = decimal.nearest::<53>() {
                prop_assert_eq!(value.to_bits(), double, "{}", cell);
            }
            if let Some(value) = decimal.nearest::<24>() {
                prop_assert_eq!((value as f32).to_bits(), float, "{}", cell);
                prop_assert_eq!(f64::from(value as f32).to_bits(), value.to_bits());
            }
        }

        /// The shortest text of a double of common size, which is what tables hold, is never left to others.
        #[test]
        fn common_doubles_are_read(value in -1000.0..1000.0_f64) {
            prop_assume!(value.abs() >= 0.1);
            let cell = value.to_string();
            let text = format!("{cell}{AFTER}");
            let found = Decimal::read(text.as_bytes()).and_then(|(decimal, _)| decimal.nearest::<53>());
            prop_assert_eq!(found.map(f64::to_bits), Some(value.to_bits()));
        }

        /// Half way between two doubles nothing is told; one digit more or less is.
        #[test]
        fn ties_are_left_to_others(random: u64, places in 0_usize..=3) {
            // An odd number of 54 bits, over a power of two, in decimal: it is none of 53 bits, and in the middle of two.
            let odd = (1 << 53) | (random >> 11) | 1;
            let digits = odd * 5_u64.pow(places as u32);
            let half = |digits: u64| Decimal { minus: false, digits, places };
            prop_assert_eq!(half(digits).nearest::<53>(), None);
            for near in [digits - 1, digits + 1] {
                let cell = written(false, near, places);
                prop_assert_eq!(half(near).nearest::<53>().map(f64::to_bits), Some(expected(&cell).0));
            }
        }

        /// The same for floats, which have ties at every number of places.
        #[test]
        fn ties_of_floats_are_left_to_others(random: u32, places in 0_usize..=16) {
            let odd = (1 << 24) | u64::from(random >> 8) | 1;
            let digits = odd * 5_u64.pow(places as u32);
            prop_assert_eq!(Decimal { minus: true, digits, places }.nearest::<24>(), None);
            for near in [digits - 1, digits + 1] {
                let cell = written(true, near, places);
                let value = Decimal { minus: true, digits: near, places }.nearest::<24>().map(|value| (value as f32).to_bits());
                prop_assert_eq!(value, Some(expected(&cell).1), "{}", cell);
            }
        }

        /// Whatever stands there: what is read is a number, and ends where the cell does.
        #[test]
        fn nothing_else_is_read(cell in "-?[0-9]{0,21}[-+.,eE \"\r\n/:a]{0,2}[0-9]{0,21}") {
            let text = format!("{cell}{AFTER}");
            if let Some((decimal, length)) = Decimal::read(text.as_bytes()) {
                prop_assert!(ends_cell(text.as_bytes().get(length)));
                let (double, _) = expected(&text[..length]);
                prop_assert!(decimal.nearest::<53>().is_none_or(|value| value.to_bits() == double));
            }
        }
    }

    #[test]
    fn numbers_at_the_edges() {
        for cell in [
            "0",
            "-0",
            "0.0",
            "-0.000",
            "1",
            "0.5",
            "-1.25",
            "9999999999999999999",
            "0.000000000000000001",
            "9.999999999999999999",
            "9007199254740992",
            "900719925474099.5",
            "123456.7890123456789",
        ] {
            let found = read(cell).map(|(double, float)| (double.to_bits(), float.to_bits()));
            assert_eq!(found, Some(expected(cell)), "{cell}");
        }
        for cell in
            ["", "-", ".5", "5.", "--1", "+1", "1e5", "1.5e5", "1 ", "0x1", "1.2.3", "12345678901234567890", "nan", "\"1\""]
        {
            assert_eq!(read(cell), None, "{cell}");
        }
        assert_eq!(Decimal::read(b"1.5"), None, "too near the end");
    }
}
