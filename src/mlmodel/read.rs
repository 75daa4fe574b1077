//! YAML text to values, without recursion, bounded in depth and in what aliases may build, remembering the lines of keys.

use std::{collections::HashMap, fmt};

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_yaml::{Mapping, Value};

use super::{invalid, scalar};
use crate::error::{Error, Result};

/// How deep maps and lists may be nested.
const MAX_DEPTH: usize = 100;

/// How many values and bytes of text one file may become once its aliases are replaced by what they stand for.
const MAX_WEIGHT: usize = 8 << 20;

/// What one value weighs beside its text.
const NODE_WEIGHT: usize = 16;

/// A parsed file.
pub(super) struct Document {
    pub keys: Mapping,
    pub lines: Lines,
}

/// The line of each key, by its path with dots; to the third level, which is as deep as mlflight reads.
#[derive(Default)]
pub(super) struct Lines(HashMap<String, usize>);

impl Lines {
    /// Prefixes the error with the line of a key, or of the nearest key around it that the file has.
    pub(super) fn locate(&self, error: Error, key: &str) -> Error {
        let mut key = key;
        loop {
            match (self.0.get(key), key.rsplit_once('.')) {
                (Some(line), _) => return error.context(format_args!("line {line}")),
                (None, Some((outer, _))) => key = outer,
                (None, None) => return error,
            }
        }
    }
}

/// A map or list that is still open.
struct Open {
    node: Node,
    anchor: usize,
    /// Weight of all that was read before it.
    weight: usize,
    /// Height of what is in it so far.
    height: usize,
    path: String,
}

enum Node {
    List(Vec<Value>),
    Map { keys: Mapping, key: Option<Value> },
}

/// What an anchor stands for.
struct Anchored {
    value: Value,
    weight: usize,
    height: usize,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    weight: usize,
    lines: Lines,
    root: Option<Value>,
}

/// The keys of a YAML or JSON text, as an `MLmodel` file is read.
pub fn read_yaml(text: &str) -> Result<Mapping> {
    if text.len() as u64 > super::MAX_BYTES {
        return Err(invalid(format!("the file is larger than {} bytes", super::MAX_BYTES)));
    }
    document(text).map(|document| document.keys)
}

/// Parses the one document of a file, which must be a map.
pub(super) fn document(text: &str) -> Result<Document> {
    let mut builder = Builder::default();
    let mut documents = 0;
    for event in Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        let (event, span) = event
            .map_err(|error| at(error.marker().line(), format!("not YAML: {}", error.info())).source(Text(error.to_string())))?;
        let line = span.start.line();
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Nothing => {}
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return Err(at(line, "a second YAML document begins".into()));
                }
            }
            Event::Alias(anchor) => builder.alias(anchor, line)?,
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref(), line)?;
                if style == ScalarStyle::Plain && text == "<<" && builder.wants_key() {
                    return Err(at(line, "merge keys (<<) are not read".into()).remedy("write the merged keys out"));
                }
                builder.weigh(text.len(), line)?;
                builder.place(value, anchor, NODE_WEIGHT + text.len(), 0, line)?;
            }
            Event::SequenceStart(anchor, tag) => {
                collection_tag(tag.as_deref(), "seq", line)?;
                builder.begin(Node::List(Vec::new()), anchor, line)?;
            }
            Event::MappingStart(anchor, tag) => {
                collection_tag(tag.as_deref(), "map", line)?;
                builder.begin(Node::Map { keys: Mapping::new(), key: None }, anchor, line)?;
            }
            Event::SequenceEnd | Event::MappingEnd => builder.end(line)?,
        }
    }
    match builder.root {
        Some(Value::Mapping(keys)) => Ok(Document { keys, lines: builder.lines }),
        None | Some(Value::Null) => Err(invalid("the file is empty")),
        Some(_) => Err(at(1, "the file is no map of keys".into()).expected("keys such as 'flavors:'")),
    }
}

impl Builder {
    fn begin(&mut self, node: Node, anchor: usize, line: usize) -> Result<()> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(line));
        }
        if self.wants_key() {
            return Err(at(line, "a key of a map is itself a map or list".into()));
        }
        let path = match self.open.last() {
            Some(Open { node: Node::Map { key: Some(key), .. }, path, .. }) => join(path, key),
            _ => String::new(),
        };
        self.weigh(0, line)?;
        self.open.push(Open { node, anchor, weight: self.weight - NODE_WEIGHT, height: 1, path });
        Ok(())
    }

    fn end(&mut self, line: usize) -> Result<()> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.node {
            Node::List(items) => Value::Sequence(items),
            Node::Map { keys, .. } => Value::Mapping(keys),
        };
        self.place(value, open.anchor, self.weight - open.weight, open.height, line)
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Result<()> {
        let Some(Anchored { weight, height, .. }) = self.anchors.get(&anchor) else {
            return Err(at(line, "an alias stands for a value that is not complete".into()));
        };
        let (weight, height) = (*weight, *height);
        if self.open.len() + height > MAX_DEPTH {
            return Err(too_deep(line));
        }
        self.weigh(weight, line)?;
        let value = self.anchors.get(&anchor).map_or(Value::Null, |anchored| anchored.value.clone());
        self.place(value, 0, weight, height, line)
    }

    /// Puts a complete value where it belongs.
    fn place(&mut self, value: Value, anchor: usize, weight: usize, height: usize, line: usize) -> Result<()> {
        if anchor != 0 {
            self.weigh(weight, line)?;
            self.anchors.insert(anchor, Anchored { value: value.clone(), weight, height });
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        open.height = open.height.max(height + 1);
        match &mut open.node {
            Node::List(items) => items.push(value),
            Node::Map { keys, key } => match key.take() {
                Some(key) => {
                    keys.insert(key, value);
                }
                None => {
                    let path = join(&open.path, &value);
                    if matches!(value, Value::Sequence(_) | Value::Mapping(_)) {
                        return Err(at(line, "a key of a map is itself a map or list".into()));
                    }
                    if keys.contains_key(&value) {
                        return Err(at(line, format!("key '{path}' stands twice")));
                    }
                    if self.open.len() <= 3 {
                        self.lines.0.insert(path, line);
                    }
                    if let Some(Open { node: Node::Map { key, .. }, .. }) = self.open.last_mut() {
                        *key = Some(value);
                    }
                }
            },
        }
        Ok(())
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { node: Node::Map { key: None, .. }, .. }))
    }

    fn weigh(&mut self, bytes: usize, line: usize) -> Result<()> {
        self.weight = self.weight.saturating_add(bytes).saturating_add(NODE_WEIGHT);
        if self.weight > MAX_WEIGHT {
            return Err(at(line, "the file's aliases stand for too much".into()));
        }
        Ok(())
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, line: usize) -> Result<Value> {
    let Some(tag) = tag else {
        return Ok(if style == ScalarStyle::Plain { scalar::resolve(text) } else { text.into() });
    };
    let refuse = || at(line, format!("the text does not fit its tag '{tag}'")).found(format!("'{text}'"));
    let name = core_name(tag).ok_or_else(|| at(line, format!("the tag '{tag}' is not read")))?;
    let resolved = scalar::resolve(text);
    match (name, resolved) {
        ("" | "str", _) => Ok(text.into()),
        ("null", Value::Null) => Ok(Value::Null),
        ("bool", value @ Value::Bool(_)) => Ok(value),
        ("int", value) => match scalar::integer(text) {
            Some(number) if !matches!(value, Value::Bool(_)) => Ok(number),
            _ => Err(refuse()),
        },
        ("float", Value::Number(number)) => Ok(number.as_f64().map_or(Value::Null, Value::from)),
        ("timestamp", value @ Value::Tagged(_)) => Ok(value),
        ("binary", _) => Ok(scalar::tagged("binary", text)),
        ("null" | "bool" | "float" | "timestamp", _) => Err(refuse()),
        _ => Err(at(line, format!("the tag '{tag}' is not read"))),
    }
}

fn collection_tag(tag: Option<&Tag>, own: &str, line: usize) -> Result<()> {
    match tag {
        Some(tag) if !matches!(core_name(tag), Some(name) if name == own || name.is_empty()) => {
            Err(at(line, format!("the tag '{tag}' is not read")))
        }
        _ => Ok(()),
    }
}

/// The name of one of YAML's own tags; empty for the lone `!`.
fn core_name(tag: &Tag) -> Option<&str> {
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        (handle, name) if handle == scalar::CORE => Some(name),
        ("" | "!", "" | "!") => Some(""),
        ("", name) => name.strip_prefix(scalar::CORE),
        _ => None,
    }
}

fn join(path: &str, key: &Value) -> String {
    let key = super::scalar_text(key).unwrap_or_default();
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn too_deep(line: usize) -> Error {
    at(line, format!("nested deeper than {MAX_DEPTH} levels"))
}

fn at(line: usize, message: String) -> Error {
    invalid(format!("line {line}: {message}"))
}

/// The parser's own words, kept as the cause.
#[derive(Debug)]
struct Text(String);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Text {}
