//! Spark's type names on the command line: `double`, `array<float>`, `struct<a:int,b:map<string,double>>`, `a int, b array<float>`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

use crate::error::{Error, Kind, Result};

/// How deep types may lie in each other.
const MAX_DEPTH: usize = 64;

/// Parses a type, or a list of columns (`a int, b float`), which is a struct of them.
///
/// ```
/// use arrow::datatypes::{DataType, Field};
/// use mlflight::score::ddl::parse;
/// assert_eq!(parse("array<float>")?, DataType::new_list(DataType::Float32, true));
/// let columns = vec![Field::new("a", DataType::Int32, true), Field::new("b", DataType::Boolean, true)];
/// assert_eq!(parse("a int, b bool")?, DataType::Struct(columns.into()));
/// # Ok::<(), mlflight::error::Error>(())
/// ```
pub fn parse(text: &str) -> Result<DataType> {
    let mut single = Parser { text, at: 0, whole: 0 };
    let error = match single.data_type(0).and_then(|to| single.end().map(|()| to)) {
        Ok(to) => return Ok(to),
        Err(error) => error,
    };
    let mut columns = Parser { text, at: 0, whole: 0 };
    match columns.columns(0).and_then(|fields| columns.end().map(|()| fields)) {
        Ok(fields) => Ok(DataType::Struct(fields)),
        // A word that is no type is more likely a misspelt type than half a column.
        Err(later) if columns.whole > 0 => Err(later),
        Err(_) => Err(error),
    }
}

/// The name of a result type that holds all values of a type: itself where it may be asked for.
pub fn holding(kind: &DataType) -> String {
    use DataType::{
        FixedSizeList, Float16, Float32, Float64, Int8, Int16, Int32, Int64, LargeList, List, Map, Struct, UInt8, UInt16, UInt32,
    };
    match kind {
        DataType::Boolean => "boolean".into(),
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 => "long".into(),
        Float16 | Float32 => "float".into(),
        Float64 => "double".into(),
        List(item) | LargeList(item) | FixedSizeList(item, _) => format!("array<{}>", holding(item.data_type())),
        Struct(fields) => {
            let field = |field: &Arc<Field>| format!("`{}`:{}", field.name().replace('`', "``"), holding(field.data_type()));
            format!("struct<{}>", fields.iter().map(field).collect::<Vec<_>>().join(","))
        }
        Map(entries, _) => match entries.data_type() {
            Struct(fields) if fields.len() == 2 => format!("map<string,{}>", holding(fields[1].data_type())),
            _ => "string".into(),
        },
        _ => "string".into(),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// Columns read to their end.
    whole: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn fail<T>(&self, expected: &str) -> Result<T> {
        let rest = self.rest();
        let found =
            if rest.is_empty() { "the end".to_owned() } else { format!("'{}'", rest.chars().take(20).collect::<String>()) };
        Err(Error::new(
            Kind::InvalidArgument,
            "RESULT_TYPE",
            format!("'{}' is no result type, at character {}", self.text, self.at),
        )
        .expected(expected)
        .found(found)
        .remedy("write it as in Spark: double, array<float>, struct<a:int,b:string>, a int, b float"))
    }

    fn end(&mut self) -> Result<()> {
        self.skip_space();
        if self.rest().is_empty() { Ok(()) } else { self.fail("the end") }
    }

    fn take(&mut self, token: char) -> bool {
        self.skip_space();
        let there = self.rest().starts_with(token);
        self.at += if there { token.len_utf8() } else { 0 };
        there
    }

    fn need(&mut self, token: char) -> Result<()> {
        if self.take(token) { Ok(()) } else { self.fail(&format!("'{token}'")) }
    }

    fn word(&mut self) -> &'a str {
        self.skip_space();
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// The next word in lower case, not taken.
    fn peek(&self) -> String {
        Parser { text: self.text, at: self.at, whole: 0 }.word().to_lowercase()
    }

    // type := name [ "(" number ["," number] ")" ] | "array" "<" type ">" | "map" "<" type "," type ">" | "struct" "<" columns ">"
    fn data_type(&mut self, depth: usize) -> Result<DataType> {
        if depth > MAX_DEPTH {
            return self.fail("fewer types in each other");
        }
        self.skip_space();
        let start = self.at;
        let word = self.word().to_lowercase();
        Ok(match word.as_str() {
            "boolean" | "bool" => DataType::Boolean,
            "tinyint" | "byte" => DataType::Int8,
            "smallint" | "short" => DataType::Int16,
            "int" | "integer" => DataType::Int32,
            "bigint" | "long" => DataType::Int64,
            "float" | "real" => DataType::Float32,
            "double" => DataType::Float64,
            "string" => DataType::Utf8,
            "char" | "character" | "varchar" => {
                self.sizes()?;
                DataType::Utf8
            }
            "binary" => DataType::Binary,
            "date" => DataType::Date32,
            "timestamp" | "timestamp_ltz" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            "timestamp_ntz" => DataType::Timestamp(TimeUnit::Microsecond, None),
            "void" => DataType::Null,
            "decimal" | "dec" | "numeric" => match self.sizes()?.as_slice() {
                [] => DataType::Decimal128(10, 0),
                [precision @ 1..=38] => DataType::Decimal128(*precision, 0),
                [precision @ 1..=38, scale] if scale <= precision => DataType::Decimal128(*precision, *scale as i8),
                _ => return self.fail("a precision of at most 38 and a scale of at most that"),
            },
            "array" => {
                self.need('<')?;
                let item = self.data_type(depth + 1)?;
                self.need('>')?;
                DataType::new_list(item, true)
            }
            "map" => {
                self.need('<')?;
                let key = self.data_type(depth + 1)?;
                self.need(',')?;
                let value = self.data_type(depth + 1)?;
                self.need('>')?;
                let entries = vec![Field::new("key", key, false), Field::new("value", value, true)];
                DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries.into()), false)), false)
            }
            "struct" => {
                self.need('<')?;
                let fields = if self.take('>') { Fields::empty() } else { self.struct_fields(depth)? };
                DataType::Struct(fields)
            }
            _ => {
                self.at = start;
                return self.fail("a type");
            }
        })
    }

    fn struct_fields(&mut self, depth: usize) -> Result<Fields> {
        let fields = self.columns(depth + 1)?;
        self.need('>')?;
        Ok(fields)
    }

    // columns := column { "," column } ; column := name [":"] type ["not" "null"] ["comment" text]
    fn columns(&mut self, depth: usize) -> Result<Fields> {
        let mut fields: Vec<Field> = Vec::new();
        loop {
            let name = self.name()?;
            self.take(':');
            let to = self.data_type(depth)?;
            if self.peek() == "not" {
                self.word();
                if self.word().to_lowercase() != "null" {
                    return self.fail("NULL");
                }
            }
            if self.peek() == "comment" {
                self.word();
                self.quoted()?;
            }
            if fields.iter().any(|field| *field.name() == name) {
                return self.fail("every name once");
            }
            // A prediction may always be missing, whatever the type says.
            fields.push(Field::new(name, to, true));
            self.whole += 1;
            if !self.take(',') {
                return Ok(fields.into());
            }
        }
    }

    fn name(&mut self) -> Result<String> {
        if !self.take('`') {
            let word = self.word();
            return if word.is_empty() { self.fail("a name") } else { Ok(word.to_owned()) };
        }
        let mut name = String::new();
        loop {
            let Some(end) = self.rest().find('`') else { return self.fail("'`'") };
            name.push_str(&self.rest()[..end]);
            self.at += end + 1;
            if !self.rest().starts_with('`') {
                return Ok(name);
            }
            name.push('`');
            self.at += 1;
        }
    }

    fn quoted(&mut self) -> Result<()> {
        let quote = if self.take('\'') {
            '\''
        } else if self.take('"') {
            '"'
        } else {
            return self.fail("a text in quotes");
        };
        let Some(end) = self.rest().find(quote) else { return self.fail("the closing quote") };
        self.at += end + 1;
        Ok(())
    }

    fn sizes(&mut self) -> Result<Vec<u8>> {
        let mut sizes = Vec::new();
        if !self.take('(') {
            return Ok(sizes);
        }
        loop {
            let word = self.word();
            let Ok(size) = word.parse::<u16>() else { return self.fail("a number") };
            sizes.push(u8::try_from(size).unwrap_or(u8::MAX));
            if !self.take(',') {
                break;
            }
        }
        self.need(')')?;
        Ok(sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_spark_has_them() {
        for (text, to) in [
            ("int", DataType::Int32),
            (" BIGINT ", DataType::Int64),
            ("long", DataType::Int64),
            ("bool", DataType::Boolean),
            ("real", DataType::Float32),
            ("decimal(12, 2)", DataType::Decimal128(12, 2)),
            ("varchar(300)", DataType::Utf8),
            ("array<array<double>>", DataType::new_list(DataType::new_list(DataType::Float64, true), true)),
        ] {
            assert_eq!(parse(text).unwrap(), to, "{text}");
        }
    }

    #[test]
    fn columns_and_structs_are_the_same_struct() {
        let expected = DataType::Struct(Fields::from(vec![
            Field::new("a", DataType::Int32, true),
            Field::new("b c", DataType::new_list(DataType::Float32, true), true),
        ]));
        assert_eq!(parse("a int, `b c` array<float>").unwrap(), expected);
        assert_eq!(parse("struct<a: int NOT NULL, `b c`: array<float> COMMENT 'x'>").unwrap(), expected);
        assert_eq!(parse("a: integer, `b c`: array<real>").unwrap(), expected);
    }

    #[test]
    fn a_type_that_holds_another_can_be_asked_for() {
        for (kind, name) in [
            (DataType::Int16, "long"),
            (DataType::UInt64, "string"),
            (DataType::Timestamp(TimeUnit::Nanosecond, None), "string"),
            (parse("0 double, `a`` b` array<map<string,int>>").unwrap(), "struct<`0`:double,`a`` b`:array<map<string,long>>>"),
        ] {
            assert_eq!(holding(&kind), name);
            parse(name).unwrap();
        }
    }

    #[test]
    fn a_column_may_be_named_like_a_type() {
        let DataType::Struct(fields) = parse("double double, map map<string, int>").unwrap() else { panic!("no struct") };
        assert_eq!((fields[0].name().as_str(), fields[1].name().as_str()), ("double", "map"));
    }

    #[test]
    fn errors_name_the_place() {
        for (text, expected) in [
            ("notype", "a type"),
            ("array<int", "'>'"),
            ("array<>", "a type"),
            ("", "a type"),
            ("a int,", "a name"),
            ("a int, a int", "every name once"),
            ("decimal(99)", "a precision of at most 38 and a scale of at most that"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.expected_text(), Some(expected), "{text}: {error}");
            assert_eq!(error.kind(), Kind::InvalidArgument);
        }
        assert!(parse(&"array<".repeat(10_000)).is_err());
    }
}
