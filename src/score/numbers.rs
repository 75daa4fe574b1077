//! Conversions between numbers that keep every value, or say in which row one would change.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal256Array, Float64Array, GenericBinaryArray, OffsetSizeTrait,
        PrimitiveArray,
    },
    compute::{cast, kernels::cmp::not_distinct},
    datatypes::{
        DataType, Decimal32Type, Decimal64Type, Decimal128Type, DecimalType, Float32Type, Float64Type, Int8Type, Int16Type,
        Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};

/// A value that would change, by the row it stands in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Inexact(pub usize);

/// Whether [`exact`] knows the type: integers, floats, decimals and booleans (which count as 0 and 1).
pub(crate) fn is_number(from: &DataType) -> bool {
    from.is_numeric() || *from == DataType::Boolean
}

/// Converts numbers to `to` (int32, int64, float32 or float64). Decimals become the nearest double, as in MLflow; every other
/// conversion keeps the value or is refused.
pub(crate) fn exact(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Inexact> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    if !matches!(to, DataType::Int32 | DataType::Int64 | DataType::Float32 | DataType::Float64) {
        return round_trip(array, to);
    }
    match array.data_type() {
        DataType::Decimal32(_, scale) => decimal::<Decimal32Type>(array, *scale, to),
        DataType::Decimal64(_, scale) => decimal::<Decimal64Type>(array, *scale, to),
        DataType::Decimal128(_, scale) => decimal::<Decimal128Type>(array, *scale, to),
        DataType::Decimal256(_, _) => decimal_256(array.as_primitive(), to),
        DataType::Boolean => lossless(array, to),
        DataType::Float16 => exact(&lossless(array, &DataType::Float32)?, to),
        DataType::Int8 => integer::<Int8Type>(array, to),
        DataType::Int16 => integer::<Int16Type>(array, to),
        DataType::Int32 => integer::<Int32Type>(array, to),
        DataType::Int64 => integer::<Int64Type>(array, to),
        DataType::UInt8 => integer::<UInt8Type>(array, to),
        DataType::UInt16 => integer::<UInt16Type>(array, to),
        DataType::UInt32 => integer::<UInt32Type>(array, to),
        DataType::UInt64 => integer::<UInt64Type>(array, to),
        DataType::Float32 => {
            let doubles: Float64Array = array.as_primitive::<Float32Type>().unary(f64::from);
            exact(&(Arc::new(doubles) as ArrayRef), to)
        }
        _ => float(array, to),
    }
}

/// For the types that only tensors have: there and back again.
fn round_trip(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Inexact> {
    let made = lossless(array, to)?;
    let same = not_distinct(&lossless(&made, array.data_type())?, array).map_err(|_| Inexact(0))?;
    match (0..same.len()).find(|&row| !same.value(row)) {
        Some(row) => Err(Inexact(row)),
        None => Ok(made),
    }
}

/// A cast that cannot change a value.
fn lossless(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Inexact> {
    cast(array, to).map_err(|_| Inexact(0))
}

/// Maps every slot by `convert` when `keeps` holds for all of them, else for all that are not null.
fn checked<F, T>(
    array: &PrimitiveArray<F>,
    keeps: impl Fn(F::Native) -> bool,
    convert: impl Fn(F::Native) -> T::Native,
) -> Result<ArrayRef, Inexact>
where
    F: ArrowPrimitiveType,
    T: ArrowPrimitiveType,
{
    // The fold has no branch, so it compiles to vector instructions; the search runs only when some slot fails.
    if !array.values().iter().fold(true, |all, &value| all & keeps(value))
        && let Some(row) = array.iter().position(|value| value.is_some_and(|value| !keeps(value)))
    {
        return Err(Inexact(row));
    }
    Ok(Arc::new(array.unary::<_, T>(convert)))
}

/// Integers of up to 64 bits, seen through the two widths that hold them all.
trait Integer: Copy {
    fn wide(self) -> i128;
    fn f64(self) -> f64;
    fn f32(self) -> f32;
    /// Whether the magnitude is at most 2^24 and 2^53, where every whole number is a float32 and a float64.
    fn within(self, bits: u32) -> bool;
}

macro_rules! integers {
    ($($native:ty),*) => {$(
        impl Integer for $native {
            fn wide(self) -> i128 {
                i128::from(self)
            }
            fn f64(self) -> f64 {
                self as f64
            }
            fn f32(self) -> f32 {
                self as f32
            }
            #[allow(unused_comparisons)]
            fn within(self, bits: u32) -> bool {
                <$native>::BITS <= bits || (self <= (1_u64 << bits) as $native && (<$native>::MIN == 0 || self as i64 >= -(1_i64 << bits)))
            }
        }
    )*};
}
integers!(i8, i16, i32, i64, u8, u16, u32, u64);

fn integer<F>(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Inexact>
where
    F: ArrowPrimitiveType,
    F::Native: Integer,
{
    let array = array.as_primitive::<F>();
    match to {
        DataType::Int32 => checked::<F, Int32Type>(array, |v| i32::try_from(v.wide()).is_ok(), |v| v.wide() as i32),
        DataType::Int64 => checked::<F, Int64Type>(array, |v| i64::try_from(v.wide()).is_ok(), |v| v.wide() as i64),
        DataType::Float32 => checked::<F, Float32Type>(array, |v| v.within(24) || v.f32() as i128 == v.wide(), |v| v.f32()),
        _ => checked::<F, Float64Type>(array, |v| v.within(53) || v.f64() as i128 == v.wide(), |v| v.f64()),
    }
}

fn float(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Inexact> {
    let array = array.as_primitive_opt::<Float64Type>().ok_or(Inexact(0))?;
    match to {
        DataType::Int32 => checked::<_, Int32Type>(array, |v| f64::from(v as i32) == v, |v| v as i32),
        // A cast saturates, so 2^63 itself would seem to survive.
        DataType::Int64 => {
            checked::<_, Int64Type>(array, |v| (v as i64) as f64 == v && v < 9_223_372_036_854_775_808.0, |v| v as i64)
        }
        DataType::Float32 => checked::<_, Float32Type>(array, |v| f64::from(v as f32) == v || v.is_nan(), |v| v as f32),
        _ => lossless(&(Arc::new(array.clone()) as ArrayRef), to),
    }
}

/// Powers of ten that a double holds exactly: one division by them rounds correctly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21,
    1e22,
];

fn decimal<D>(array: &ArrayRef, scale: i8, to: &DataType) -> Result<ArrayRef, Inexact>
where
    D: DecimalType,
    D::Native: Into<i128>,
{
    let array = array.as_primitive::<D>();
    if matches!(to, DataType::Float64 | DataType::Float32) {
        let doubles: Float64Array = array.unary(|value| nearest(value.into(), scale));
        return exact(&(Arc::new(doubles) as ArrayRef), to);
    }
    let unit = 10_i128.checked_pow(scale.unsigned_abs().into()).ok_or(Inexact(0))?;
    let whole = |value: i128| match scale {
        0.. => (value % unit == 0).then(|| value / unit),
        _ => value.checked_mul(unit),
    };
    match to {
        DataType::Int32 => checked::<_, Int32Type>(
            array,
            |v| whole(v.into()).is_some_and(|v| i32::try_from(v).is_ok()),
            |v| whole(v.into()).unwrap_or_default() as i32,
        ),
        _ => checked::<_, Int64Type>(
            array,
            |v| whole(v.into()).is_some_and(|v| i64::try_from(v).is_ok()),
            |v| whole(v.into()).unwrap_or_default() as i64,
        ),
    }
}

/// The double nearest to `value / 10^scale`.
fn nearest(value: i128, scale: i8) -> f64 {
    if let Some(power) = usize::try_from(scale).ok().and_then(|scale| POWERS.get(scale))
        && value.unsigned_abs() <= 1 << 53
    {
        return value as f64 / power;
    }
    parse(format_args!("{value}e{}", -i32::from(scale))).unwrap_or(f64::NAN)
}

/// Parses formatted text without allocating: 80 bytes hold any 256-bit number.
fn parse(text: std::fmt::Arguments<'_>) -> Option<f64> {
    use std::io::Write;
    let mut buffer = [0_u8; 96];
    let mut rest = &mut buffer[..];
    rest.write_fmt(text).ok()?;
    let left = rest.len();
    std::str::from_utf8(&buffer[..96 - left]).ok()?.parse().ok()
}

fn decimal_256(array: &Decimal256Array, to: &DataType) -> Result<ArrayRef, Inexact> {
    let scale = array.scale();
    if matches!(to, DataType::Float64 | DataType::Float32) {
        let doubles: Float64Array = array.unary(|value| parse(format_args!("{value}e{}", -i32::from(scale))).unwrap_or(f64::NAN));
        return exact(&(Arc::new(doubles) as ArrayRef), to);
    }
    let wide = array.iter().position(|value| value.is_some_and(|value| value.to_i128().is_none()));
    let narrow: PrimitiveArray<Decimal128Type> = array.unary(|value| value.to_i128().unwrap_or_default());
    let narrow = narrow.slice(0, wide.unwrap_or(array.len()));
    let made = decimal::<Decimal128Type>(&(Arc::new(narrow) as ArrayRef), scale, to)?;
    wide.map_or(Ok(made), |row| Err(Inexact(row)))
}

/// Bytes that hold a number's text, as pandas reads them where a double is declared.
pub(super) fn parse_bytes<O: OffsetSizeTrait>(array: &GenericBinaryArray<O>) -> Result<ArrayRef, Inexact> {
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse::<f64>().ok());
    if let Some(row) = array.iter().position(|bytes| bytes.is_some_and(|bytes| number(bytes).is_none())) {
        return Err(Inexact(row));
    }
    Ok(Arc::new(array.iter().map(|bytes| bytes.and_then(number)).collect::<Float64Array>()))
}

#[cfg(test)]
#[path = "numbers_tests.rs"]
mod tests;
