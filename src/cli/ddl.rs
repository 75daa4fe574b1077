//! Result types as Spark spells them: `double`, `array<double>`, `struct<a: int, b: string>`, `a double, b string`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

use crate::error::{Error, Kind, Result};

/// Deepest nesting of a type.
const MAX_DEPTH: usize = 16;

/// Parses a type, or columns that make a struct.
pub(super) fn parse(text: &str) -> Result<DataType> {
    let mut parser = Parser { text, rest: text };
    let parsed = parser.whole();
    parsed.ok_or_else(|| {
        Error::new(Kind::InvalidArgument, "BAD_RESULT_TYPE", format!("'{text}' is no type"))
            .remedy("write double, string, array<double>, or columns such as 'a double, b string'")
    })
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Parser<'_> {
    // type | columns
    fn whole(&mut self) -> Option<DataType> {
        if let Some(kind) = self.kind(0)
            && self.rest.trim().is_empty()
        {
            return Some(kind);
        }
        self.rest = self.text;
        let fields = self.fields(0)?;
        self.rest.trim().is_empty().then_some(DataType::Struct(fields))
    }

    // "array" "<" type ">" | "map" "<" type "," type ">" | "struct" "<" columns ">" | "decimal" ["(" p "," s ")"] | name
    fn kind(&mut self, depth: usize) -> Option<DataType> {
        if depth > MAX_DEPTH {
            return None;
        }
        Some(match self.word()?.to_ascii_lowercase().as_str() {
            "boolean" => DataType::Boolean,
            "byte" | "tinyint" => DataType::Int8,
            "short" | "smallint" => DataType::Int16,
            "int" | "integer" => DataType::Int32,
            "long" | "bigint" => DataType::Int64,
            "float" | "real" => DataType::Float32,
            "double" => DataType::Float64,
            "string" => DataType::Utf8,
            "binary" => DataType::Binary,
            "date" => DataType::Date32,
            "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            "timestamp_ntz" | "datetime" => DataType::Timestamp(TimeUnit::Microsecond, None),
            "array" => {
                self.token('<')?;
                let item = self.kind(depth + 1)?;
                self.token('>')?;
                DataType::new_list(item, true)
            }
            "map" => {
                self.token('<')?;
                let key = self.kind(depth + 1)?;
                self.token(',')?;
                let value = self.kind(depth + 1)?;
                self.token('>')?;
                let entry = Fields::from(vec![Field::new("key", key, false), Field::new("value", value, true)]);
                DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entry), false)), false)
            }
            "struct" => {
                self.token('<')?;
                let fields = self.fields(depth + 1)?;
                self.token('>')?;
                DataType::Struct(fields)
            }
            "decimal" => {
                if self.token('(').is_none() {
                    return Some(DataType::Decimal128(10, 0));
                }
                let precision = self.word()?.parse().ok().filter(|digits| (1..=38).contains(digits))?;
                self.token(',')?;
                let scale = self.word()?.parse().ok()?;
                self.token(')')?;
                DataType::Decimal128(precision, scale)
            }
            _ => return None,
        })
    }

    // name [":"] type {"," name [":"] type}
    fn fields(&mut self, depth: usize) -> Option<Fields> {
        let mut fields = Vec::new();
        loop {
            let name = self.word()?.to_owned();
            let _ = self.token(':');
            let kind = self.kind(depth + 1)?;
            fields.push(Field::new(name, kind, true));
            if self.token(',').is_none() {
                return Some(fields.into());
            }
        }
    }

    fn token(&mut self, token: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn word(&mut self) -> Option<&str> {
        let rest = self.rest.trim_start();
        if let Some(quoted) = rest.strip_prefix('`') {
            let (word, after) = quoted.split_once('`')?;
            self.rest = after;
            return Some(word);
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        self.rest = after;
        (!word.is_empty()).then_some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_columns() {
        assert_eq!(parse("double").unwrap(), DataType::Float64);
        assert_eq!(parse(" Array< bigint >").unwrap(), DataType::new_list(DataType::Int64, true));
        assert_eq!(parse("decimal(10, 2)").unwrap(), DataType::Decimal128(10, 2));
        let two = Fields::from(vec![Field::new("a b", DataType::Int32, true), Field::new("string", DataType::Utf8, true)]);
        assert_eq!(parse("`a b` int, string string").unwrap(), DataType::Struct(two.clone()));
        assert_eq!(parse("struct<`a b`: int, string: string>").unwrap(), DataType::Struct(two));
        assert!(matches!(parse("map<string, array<float>>").unwrap(), DataType::Map(..)));
        for text in ["", "doubl", "array<", "array<double>>", "a", "a double,", "struct<>", &"array<".repeat(100)] {
            assert_eq!(parse(text).unwrap_err().code(), "BAD_RESULT_TYPE", "{text}");
        }
    }
}
