//! The function from scores to predictions that belongs to an objective.

use crate::{flavors::common::obstacle::NeedsPython, kernels::response::Response};

/// LightGBM writes `ln(1 + exp(x))` as `log1p(exp(x))` since this version.
const SOFTPLUS: [i64; 3] = [3, 3, 0];

/// The response of an objective as a model file writes it, `binary sigmoid:1`, or why the objective is not scored natively.
pub(super) fn response(objective: Option<&str>, outputs: usize, version: [i64; 3]) -> Result<Response, NeedsPython> {
    let Some(text) = objective else { return Ok(Response::Raw) };
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let name = words.next().unwrap_or_default();
    let params: Vec<&str> = words.collect();
    let param = |name: &str| params.iter().find_map(|param| param.strip_prefix(name)?.strip_prefix(':'));
    let sigmoid = || match param("sigmoid").and_then(decimal) {
        Some(steepness) if steepness > 0.0 => Ok(Response::Sigmoid(steepness)),
        _ => Err(format!("its objective '{text}' has no sigmoid above zero")),
    };
    let response = match name {
        "regression" | "regression_l1" | "quantile" | "mape" | "fair" if params.contains(&"sqrt") => Response::SignedSquare,
        "regression" | "regression_l1" | "quantile" | "mape" | "fair" | "huber" | "lambdarank" | "rank_xendcg" | "custom" => {
            Response::Raw
        }
        "poisson" | "gamma" | "tweedie" => Response::Exp,
        "binary" | "multiclassova" => sigmoid()?,
        "cross_entropy" | "xentropy" => Response::Sigmoid(1.0),
        "cross_entropy_lambda" | "xentlambda" if version >= SOFTPLUS => Response::Softplus,
        "multiclass" => Response::Softmax,
        _ => return Err(format!("the objective '{text}' has no kernel for LightGBM {}.{}", version[0], version[1])),
    };
    let several = matches!(name, "multiclass" | "multiclassova");
    let classes = param("num_class").and_then(|count| count.parse().ok());
    match (several, outputs) {
        (true, _) if classes == Some(outputs) => Ok(response),
        (false, 1) => Ok(response),
        (false, _) if response == Response::Raw => Ok(response),
        _ => Err(format!("its objective '{text}' does not fit {outputs} trees an iteration")),
    }
}

/// A decimal number, rounded as LightGBM does in an objective: the whole part plus the digits after the point divided by a power
/// of ten.
fn decimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !(1..=9).contains(&(whole.len() + rest.len())) || !whole.bytes().chain(rest.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |digits: &str| if digits.is_empty() { Some(0.0) } else { digits.parse::<f64>().ok() };
    let exponent = exponent.parse::<i32>().ok().filter(|exponent| exponent.abs() <= 22)?;
    // Powers of ten up to 22 are exact.
    let value = number(whole)? + number(rest)? / 10f64.powi(rest.len() as i32);
    Some(if exponent < 0 { value / 10f64.powi(-exponent) } else { value * 10f64.powi(exponent) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_as_files_write_them() {
        let now = [4, 7, 0];
        for (text, outputs, expected) in [
            ("regression", 1, Response::Raw),
            ("regression sqrt", 1, Response::SignedSquare),
            ("huber sqrt", 1, Response::Raw),
            ("binary sigmoid:0.5", 1, Response::Sigmoid(0.5)),
            ("binary sigmoid:1e-05", 1, Response::Sigmoid(1e-5)),
            ("multiclass num_class:3", 3, Response::Softmax),
            ("multiclassova num_class:3 sigmoid:1", 3, Response::Sigmoid(1.0)),
            ("cross_entropy_lambda", 1, Response::Softplus),
            ("custom", 4, Response::Raw),
        ] {
            assert_eq!(response(Some(text), outputs, now), Ok(expected), "{text}");
        }
        assert_eq!(response(None, 5, now), Ok(Response::Raw));
        for (text, outputs, version) in [
            ("binary", 1, now),
            ("binary sigmoid:-1", 1, now),
            ("multiclass num_class:3", 4, now),
            ("poisson", 2, now),
            ("cross_entropy_lambda", 1, [3, 2, 1]),
            ("newest_loss", 1, now),
        ] {
            assert!(response(Some(text), outputs, version).is_err(), "{text}");
        }
    }
}
