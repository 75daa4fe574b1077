//! What a plain (unquoted) YAML scalar is, as PyYAML resolves it: YAML 1.1. MLflow's files are written and read by PyYAML.

use serde_yaml::{
    Number, Value,
    value::{Tag, TaggedValue},
};

/// Prefix of YAML's own tags; a value with one keeps its text and its tag.
pub(super) const CORE: &str = "tag:yaml.org,2002:";

/// The value of a plain scalar.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Value::Bool(false),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return text.into();
    }
    if let Some(value) = integer(text).or_else(|| float(text)) {
        value
    } else if is_timestamp(text) {
        tagged("timestamp", text)
    } else {
        text.into()
    }
}

/// Text that carries one of YAML's own tags: `timestamp`, `binary`, or `int` for a number that takes more than 64 bits.
pub fn tagged(name: &str, text: &str) -> Value {
    Value::Tagged(Box::new(TaggedValue { tag: Tag::new(format!("{CORE}{name}")), value: text.into() }))
}

/// `0b1010`, `0o17` as `017`, `0x1F`, `1_000`, and `1:30` (base 60).
pub(super) fn integer(text: &str) -> Option<Value> {
    let (sign, digits) = sign(text);
    let radix = |digits: &str, radix: u32| {
        let all = !digits.is_empty() && digits.chars().all(|c| c == '_' || c.is_digit(radix));
        let digits = digits.replace('_', "");
        (all && !digits.is_empty()).then_some((digits, radix))
    };
    let (digits, base) = if let Some(digits) = digits.strip_prefix("0b") {
        radix(digits, 2)?
    } else if let Some(digits) = digits.strip_prefix("0x") {
        radix(digits, 16)?
    } else if digits == "0" {
        ("0".to_owned(), 10)
    } else if let Some(digits) = digits.strip_prefix('0') {
        radix(digits, 8)?
    } else if digits.contains(':') {
        return sixty(digits).filter(|_| digits.starts_with(|c: char| c.is_ascii_digit())).map(|value| number(sign, value));
    } else {
        radix(digits, 10).filter(|_| digits.starts_with(|c: char| c.is_ascii_digit()))?
    };
    match i128::from_str_radix(&digits, base) {
        Ok(value) => Some(number(sign, value)),
        Err(_) => Some(tagged("int", text)),
    }
}

fn number(sign: i128, value: i128) -> Value {
    let value = sign * value;
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => value.into(),
        (_, Ok(value)) => value.into(),
        _ => tagged("int", &value.to_string()),
    }
}

fn sixty(digits: &str) -> Option<i128> {
    let mut parts = digits.split(':');
    let head = parts.next()?.replace('_', "");
    let mut value: i128 = head.parse().ok()?;
    for part in parts {
        let fits = matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
        value = value.checked_mul(60)?.checked_add(part.parse().ok().filter(|_| fits)?)?;
    }
    Some(value)
}

/// `1.5`, `1.0e+3` (the dot and the sign are needed), `.5`, `1:30.5` (base 60), `.inf`, `.nan`.
pub(super) fn float(text: &str) -> Option<Value> {
    let (sign, digits) = sign(text);
    let value = match digits {
        ".inf" | ".Inf" | ".INF" => f64::INFINITY,
        ".nan" | ".NaN" | ".NAN" if !text.starts_with(['+', '-']) => f64::NAN,
        _ => {
            let (head, tail) = digits.split_once('.')?;
            if head.contains(':') {
                let whole = sixty(head).filter(|_| head.starts_with(|c: char| c.is_ascii_digit()))? as f64;
                let tail = tail.replace('_', "");
                if !tail.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                whole + format!("0.{tail}0").parse::<f64>().ok()?
            } else {
                let (tail, exponent) = match tail.find(['e', 'E']) {
                    Some(at) => (&tail[..at], &tail[at + 1..]),
                    None => (tail, "+0"),
                };
                let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
                let power = exponent.strip_prefix(['+', '-'])?;
                let whole = head.starts_with(|c: char| c.is_ascii_digit());
                let fraction = head.is_empty() && tail.starts_with(|c: char| c.is_ascii_digit()) && !text.starts_with(['+', '-']);
                if !(whole || fraction) || !digits_only(head) || !digits_only(tail) {
                    return None;
                }
                if power.is_empty() || !power.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                format!("{head}.{tail}e{exponent}").replace('_', "").parse().ok()?
            }
        }
    };
    Some(Value::Number(Number::from(sign as f64 * value)))
}

fn sign(text: &str) -> (i128, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// `2018-05-25`, or a date and a time with an optional fraction and zone.
fn is_timestamp(text: &str) -> bool {
    let mut rest = text;
    let digits = |rest: &mut &str, least: usize, most: usize| {
        let count = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        *rest = &rest[count..];
        count >= least
    };
    let literal = |rest: &mut &str, c: char| rest.strip_prefix(c).map(|tail| *rest = tail).is_some();
    if !(digits(&mut rest, 4, 4) && literal(&mut rest, '-')) {
        return false;
    }
    let month = rest;
    if !(digits(&mut rest, 1, 2) && literal(&mut rest, '-')) {
        return false;
    }
    let day = rest;
    if !digits(&mut rest, 1, 2) {
        return false;
    }
    if rest.is_empty() {
        return month.find('-') == Some(2) && day.len() == 2;
    }
    let before = rest;
    if !(literal(&mut rest, 'T') || literal(&mut rest, 't')) {
        rest = rest.trim_start_matches([' ', '\t']);
        if rest.len() == before.len() {
            return false;
        }
    }
    let time = digits(&mut rest, 1, 2)
        && literal(&mut rest, ':')
        && digits(&mut rest, 2, 2)
        && literal(&mut rest, ':')
        && digits(&mut rest, 2, 2);
    if !time {
        return false;
    }
    if literal(&mut rest, '.') {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    rest = rest.trim_start_matches([' ', '\t']);
    if rest.is_empty() || rest == "Z" {
        return true;
    }
    (literal(&mut rest, '+') || literal(&mut rest, '-'))
        && digits(&mut rest, 1, 2)
        && (rest.is_empty() || (literal(&mut rest, ':') && digits(&mut rest, 2, 2) && rest.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_what_pyyaml_makes_of_them() {
        for (text, value) in [
            ("on", Value::Bool(true)),
            ("No", Value::Bool(false)),
            ("~", Value::Null),
            ("017", 15.into()),
            ("0o17", "0o17".into()),
            ("0x1F", 31.into()),
            ("-0b11", (-3).into()),
            ("1_000", 1000.into()),
            ("1:30", 90.into()),
            ("1:60", "1:60".into()),
            ("08", "08".into()),
            ("18446744073709551615", u64::MAX.into()),
            ("18446744073709551616", tagged("int", "18446744073709551616")),
            ("1e5", "1e5".into()),
            ("1.5e3", "1.5e3".into()),
            ("1.5e+3", 1500.0.into()),
            ("1.", 1.0.into()),
            (".5", 0.5.into()),
            ("-.5", "-.5".into()),
            ("1:30.5", 90.5.into()),
            ("-.inf", f64::NEG_INFINITY.into()),
            ("2018-05-25", tagged("timestamp", "2018-05-25")),
            ("2018-5-5", "2018-5-5".into()),
            ("2018-05-25T17:28:53.35", tagged("timestamp", "2018-05-25T17:28:53.35")),
            ("2018-05-25 17:28:53 +02:00", tagged("timestamp", "2018-05-25 17:28:53 +02:00")),
            ("2018-05-25 17:28", "2018-05-25 17:28".into()),
            ("1.30.1", "1.30.1".into()),
            ("conda.yaml", "conda.yaml".into()),
        ] {
            assert_eq!(resolve(text), value, "{text}");
        }
    }
}
