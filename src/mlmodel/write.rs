//! Values to YAML text that YAML 1.1 and 1.2 readers agree on.

use std::{io::Write, path::Path};

use serde_yaml::Value;

use super::{invalid, scalar};
use crate::error::Result;

/// The text of a YAML file with these keys, which YAML 1.1 and 1.2 readers agree on.
pub fn write_yaml(keys: &serde_yaml::Mapping) -> Result<String> {
    mapping(keys)
}

/// A block map of these keys.
pub(super) fn mapping<'a>(keys: impl IntoIterator<Item = (&'a Value, &'a Value)>) -> Result<String> {
    let mut out = String::new();
    block_map(&mut out, keys, 0)?;
    Ok(out)
}

/// Writes a file beside its place, then moves it there.
pub(super) fn atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let mut file = tempfile::Builder::new().prefix(".MLmodel-").tempfile_in(directory)?;
    file.write_all(bytes)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn block_map<'a>(out: &mut String, keys: impl IntoIterator<Item = (&'a Value, &'a Value)>, indent: usize) -> Result<()> {
    for (at, (key, value)) in keys.into_iter().enumerate() {
        if at > 0 {
            pad(out, indent);
        }
        let key = inline(key)?.ok_or_else(|| invalid("a key of a map is itself a map or list"))?;
        // YAML 1.1 looks no further than 1024 characters for the colon of a simple key.
        if key.len() > 120 {
            out.push_str(&format!("? {key}\n"));
            pad(out, indent);
        } else {
            out.push_str(&key);
        }
        out.push(':');
        match (inline(value)?, value) {
            (Some(text), _) => {
                out.push(' ');
                out.push_str(&text);
                out.push('\n');
            }
            (None, Value::Mapping(keys)) => {
                out.push('\n');
                pad(out, indent + 2);
                block_map(out, keys, indent + 2)?;
            }
            (None, Value::Sequence(items)) => {
                out.push('\n');
                pad(out, indent);
                block_list(out, items, indent)?;
            }
            (None, _) => return Err(unwritable()),
        }
    }
    Ok(())
}

fn block_list(out: &mut String, items: &[Value], indent: usize) -> Result<()> {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            pad(out, indent);
        }
        out.push_str("- ");
        match (inline(item)?, item) {
            (Some(text), _) => {
                out.push_str(&text);
                out.push('\n');
            }
            (None, Value::Mapping(keys)) => block_map(out, keys, indent + 2)?,
            (None, Value::Sequence(items)) => block_list(out, items, indent + 2)?,
            (None, _) => return Err(unwritable()),
        }
    }
    Ok(())
}

/// What fits on the line of its key; `None` for maps and lists that hold something.
fn inline(value: &Value) -> Result<Option<String>> {
    Ok(Some(match value {
        Value::Null => "null".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => number.to_string(),
            (_, Some(number), _) => number.to_string(),
            (_, _, Some(number)) => float(number),
            _ => return Err(unwritable()),
        },
        Value::String(text) => string(text),
        Value::Sequence(items) if items.is_empty() => "[]".into(),
        Value::Mapping(keys) if keys.is_empty() => "{}".into(),
        Value::Sequence(_) | Value::Mapping(_) => return Ok(None),
        Value::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = tag.trim_start_matches('!').strip_prefix(scalar::CORE).ok_or_else(unwritable)?;
            let text = tagged.value.as_str().ok_or_else(unwritable)?;
            format!("!!{name} {}", quoted(text))
        }
    }))
}

/// YAML 1.1 wants a dot in every float, and a sign in every exponent.
fn float(number: f64) -> String {
    if number.is_nan() {
        return ".nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.into();
    }
    let text = format!("{number:?}");
    let Some((digits, power)) = text.split_once('e') else { return text };
    let dot = if digits.contains('.') { "" } else { ".0" };
    let plus = if power.starts_with('-') { "" } else { "+" };
    format!("{digits}{dot}e{plus}{power}")
}

fn string(text: &str) -> String {
    if is_plain(text) { text.into() } else { quoted(text) }
}

/// Whether every YAML reader sees the same string without quotes. Less is written plain than could be.
fn is_plain(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-' | '+');
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/'))
        && text.contains(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| word(c) || c == ' ')
        && !text.ends_with(' ')
        && matches!(scalar::resolve(text), Value::String(_))
        && text.parse::<f64>().is_err()
        && !(text.starts_with("0o") || matches!(text, "y" | "Y" | "n" | "N"))
}

fn quoted(text: &str) -> String {
    if text.chars().all(|c| matches!(c, ' '..='~')) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::with_capacity(text.len() + 8);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            ' '..='~' => out.push(c),
            c if u32::from(c) <= 0xff => out.push_str(&format!("\\x{:02X}", u32::from(c))),
            c if u32::from(c) <= 0xffff => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn unwritable() -> crate::error::Error {
    invalid("a value that YAML has no portable form for")
}
