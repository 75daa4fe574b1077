//! Exactness at the edges, against arithmetic on wider types.

use arrow::{
    array::{Decimal128Array, Int64Array, UInt64Array},
    datatypes::{Float32Type, Float64Type},
};
use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn integers_become_floats_only_when_they_survive(value in any::<i64>(), shift in 0_u32..63) {
        let value = value >> shift;
        let array: ArrayRef = Arc::new(Int64Array::from(vec![value]));
        let double = exact(&array, &DataType::Float64);
        prop_assert_eq!(double.is_ok(), (value as f64) as i128 == i128::from(value));
        if let Ok(made) = double {
            prop_assert_eq!(made.as_primitive::<Float64Type>().value(0) as i128, i128::from(value));
        }
        let float = exact(&array, &DataType::Float32);
        prop_assert_eq!(float.is_ok(), (value as f32) as i128 == i128::from(value));
        if let Ok(made) = float {
            prop_assert_eq!(made.as_primitive::<Float32Type>().value(0) as i128, i128::from(value));
        }
    }

    #[test]
    fn decimals_become_the_nearest_double(value in any::<i128>(), shift in 0_u32..127, scale in 0_i8..=38) {
        let value = (value >> shift) % 10_i128.pow(38);
        let array = Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale).unwrap();
        let expected: f64 = array.value_as_string(0).parse().unwrap();
        let made = exact(&(Arc::new(array) as ArrayRef), &DataType::Float64).unwrap();
        prop_assert_eq!(made.as_primitive::<Float64Type>().value(0), expected);
    }
}

#[test]
fn the_widest_integers_do_not_slip_through_saturation() {
    let edges: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
    assert_eq!(exact(&edges, &DataType::Float64).unwrap_err(), Inexact(0));
    assert_eq!(exact(&edges, &DataType::Int64).unwrap_err(), Inexact(0));
    let edges: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX]));
    assert_eq!(exact(&edges, &DataType::Float64).unwrap_err(), Inexact(1));
}
