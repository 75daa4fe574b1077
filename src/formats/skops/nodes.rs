//! The kinds of nodes.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use crate::{
    error::Result,
    formats::{
        invalid,
        npy::{Array, Dtype},
        objects::{Graph, Id, Object, Value},
        pickle::numpy::scalar,
        unread,
        zip::Archive,
    },
};

type Node = Map<String, Json>;

/// Reads the tree of nodes of an archive with `size` bytes.
pub(super) fn read(archive: &Archive<'_>, schema: &Json, size: usize) -> Result<Graph> {
    let mut reader = Reader { archive, graph: Graph::new(), memo: HashMap::new(), budget: size.saturating_mul(100).max(1 << 20) };
    let root = reader.node(schema)?;
    Ok(reader.graph.finish(root))
}

struct Reader<'a> {
    archive: &'a Archive<'a>,
    graph: Graph,
    memo: HashMap<i64, Id>,
    /// Bytes that may still be read from entries.
    budget: usize,
}

impl Reader<'_> {
    fn node(&mut self, json: &Json) -> Result<Id> {
        let Json::Object(node) = json else { return Err(invalid("a node is no object")) };
        let number = node.get("__id__").and_then(Json::as_i64);
        if let Some(&known) = number.and_then(|number| self.memo.get(&number)) {
            return Ok(known);
        }
        let loader = text(node, "__loader__")?;
        let id = self.made(loader, node).map_err(|error| error.context(loader))?;
        if let Some(number) = number {
            self.memo.insert(number, id);
        }
        Ok(id)
    }

    fn made(&mut self, loader: &str, node: &Node) -> Result<Id> {
        let class = || -> Result<String> { Ok(format!("{}.{}", text(node, "__module__")?, text(node, "__class__")?)) };
        let value = match loader {
            "JsonNode" => return self.plain(text(node, "content")?),
            "DictNode" => {
                self.noted(class()?);
                let entries = self.entries(node)?;
                Value::Dict(entries)
            }
            "DefaultDictNode" => return self.child(content(node)?, "main"),
            "ListNode" => Value::List(self.items(field(node, "content")?)?),
            "TupleNode" => {
                self.noted(class()?);
                Value::Tuple(self.items(field(node, "content")?)?)
            }
            "SetNode" => Value::Set(self.items(field(node, "content")?)?),
            "TypeNode" => return self.graph.global(class()?),
            "FunctionNode" => match node.get("content") {
                // The form of protocol 0.
                Some(Json::Object(content)) => {
                    return self.graph.global(format!("{}.{}", text(content, "module_path")?, text(content, "function")?));
                }
                _ => return self.graph.global(class()?),
            },
            "NdArrayNode" => match text(node, "type")? {
                "numpy" => {
                    let array = Array::read(&self.entry(node)?)?;
                    match class()?.as_str() {
                        "numpy.ndarray" => Value::Array(Box::new(array)),
                        _ => scalar(array),
                    }
                }
                "json" => {
                    let shape = self.child(node, "shape")?;
                    let shape = self.shape(shape)?;
                    let mut items = Vec::new();
                    self.flattened(field(node, "content")?, shape.len(), &mut items)?;
                    Value::Array(Box::new(Array::of_objects(shape, items, false)?))
                }
                other => return Err(unread(format!("an array of type '{other}' is not read"))),
            },
            "SparseMatrixNode" => {
                let matrix = self.entry(node)?.into_owned();
                // Only compressed rows and columns are read.
                let Some(state) = self.sparse(&matrix)? else { return self.graph.global(class()?) };
                self.noted(class()?);
                object(class()?, None, Some(state))
            }
            "DTypeNode" => match self.child(node, "content").map(|id| self.graph.get(id))? {
                Value::Array(array) => Value::Dtype(array.dtype.clone()),
                _ => Value::Dtype(Dtype::from_code("O")?),
            },
            "BytesNode" | "BytearrayNode" => Value::Bytes(self.entry(node)?.into_owned().into()),
            "SliceNode" => {
                let content = content(node)?;
                let mut parts = Vec::new();
                for name in ["start", "stop", "step"] {
                    parts.push(self.plain(&field(content, name)?.to_string())?);
                }
                let args = self.graph.push(Value::Tuple(parts))?;
                object("builtins.slice".into(), Some(args), None)
            }
            // Random states are noise of the training.
            "RandomStateNode" | "RandomGeneratorNode" => object(class()?, None, None),
            "ObjectNode" => {
                let state = node.get("content").map(|content| self.node(content)).transpose()?;
                self.noted(class()?);
                object(class()?, None, state)
            }
            "TreeNode" | "LossNode" => {
                let Some(Json::Object(reduce)) = node.get("__reduce__") else { return Err(invalid("'__reduce__' is missing")) };
                let args = self.child(reduce, "args")?;
                let state = self.child(node, "content")?;
                self.noted(class()?);
                object(class()?, Some(args), Some(state))
            }
            "ConstructorFromReduceNode" => {
                let args = self.child(node, "content")?;
                self.noted(class()?);
                object(class()?, Some(args), None)
            }
            "PartialNode" => {
                let content = content(node)?;
                let mut parts = Vec::new();
                for name in ["func", "args", "kwds"] {
                    parts.push(self.child(content, name)?);
                }
                let args = self.graph.push(Value::Tuple(parts))?;
                self.noted("functools.partial".into());
                object("functools.partial".into(), Some(args), None)
            }
            // Methods, operators, masked arrays, and whatever comes later: known by name only.
            _ => return self.graph.global(class()?),
        };
        self.graph.push(value)
    }

    /// Notes a class that is no plain container.
    fn noted(&mut self, class: String) {
        if !matches!(class.as_str(), "builtins.dict" | "builtins.tuple") {
            self.graph.refers_to(&class);
        }
    }

    fn child(&mut self, node: &Node, name: &str) -> Result<Id> {
        self.node(field(node, name)?)
    }

    fn items(&mut self, json: &Json) -> Result<Vec<Id>> {
        let Json::Array(items) = json else { return Err(invalid("'content' is no list")) };
        items.iter().map(|item| self.node(item)).collect()
    }

    fn entries(&mut self, node: &Node) -> Result<Vec<(Id, Id)>> {
        let kinds = self.child(node, "key_types")?;
        let Value::List(kinds) = self.graph.get(kinds).clone() else { return Err(invalid("'key_types' is no list")) };
        let content = content(node)?;
        if kinds.len() != content.len() {
            return Err(invalid("there are not as many keys as types of keys"));
        }
        let mut entries = Vec::with_capacity(content.len());
        for ((key, value), kind) in content.iter().zip(kinds) {
            let key = match self.graph.get(kind) {
                Value::Global(kind) if kind == "builtins.str" || kind == "numpy.str_" => Value::Text(key.clone()),
                Value::Global(kind) if kind == "builtins.bool" => Value::Bool(key != "false"),
                Value::Global(kind)
                    if kind == "builtins.int" || kind.starts_with("numpy.int") || kind.starts_with("numpy.uint") =>
                {
                    key.parse().map_or(Value::Huge, Value::Int)
                }
                Value::Global(kind) if kind == "builtins.float" || kind.starts_with("numpy.float") => {
                    Value::Float(key.parse().map_err(|_| invalid(format!("the key '{key}' is no number")))?)
                }
                _ => Value::Text(key.clone()),
            };
            let key = self.graph.push(key)?;
            entries.push((key, self.node(value)?));
        }
        Ok(entries)
    }

    /// What `json.dumps` made of a plain value; it writes `NaN` and `Infinity` beside what JSON has.
    fn plain(&mut self, text: &str) -> Result<Id> {
        let value = match text {
            "NaN" => Value::Float(f64::NAN),
            "Infinity" => Value::Float(f64::INFINITY),
            "-Infinity" => Value::Float(f64::NEG_INFINITY),
            _ => match serde_json::from_str(text).map_err(|error| invalid(format!("'{text}': {error}")))? {
                Json::Null => return Ok(Graph::NONE),
                Json::Bool(truth) => return Ok(Graph::truth(truth)),
                Json::String(text) => Value::Text(text),
                Json::Number(number) => match (number.as_i64(), text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit())) {
                    (Some(number), _) => Value::Int(number),
                    (None, true) => Value::Huge,
                    // By the standard library: it rounds as Python does.
                    (None, false) => Value::Float(text.parse().map_err(|_| invalid(format!("'{text}' is no number")))?),
                },
                Json::Array(_) | Json::Object(_) => return Err(unread("a plain value that is a list or an object is not read")),
            },
        };
        self.graph.push(value)
    }

    fn entry(&mut self, node: &Node) -> Result<std::borrow::Cow<'_, [u8]>> {
        let content = self.archive.read(text(node, "file")?)?;
        self.spend(content.len())?;
        Ok(content)
    }

    /// The parts of a matrix that `scipy.sparse.save_npz` wrote, an archive of its own, by the names they have in a pickle.
    fn sparse(&mut self, matrix: &[u8]) -> Result<Option<Id>> {
        let archive = Archive::open(matrix)?;
        if !archive.has("indptr.npy") {
            return Ok(None);
        }
        let mut entries = Vec::new();
        for (part, name) in [("shape", "_shape"), ("indptr", "indptr"), ("indices", "indices"), ("data", "data")] {
            let content = archive.read(&format!("{part}.npy"))?;
            self.spend(content.len())?;
            let array = self.graph.push(Value::Array(Box::new(Array::read(&content)?)))?;
            entries.push((self.graph.push(Value::Text(name.into()))?, array));
        }
        self.graph.push(Value::Dict(entries)).map(Some)
    }

    fn spend(&mut self, bytes: usize) -> Result<()> {
        let left = self.budget.checked_sub(bytes);
        self.budget = left.ok_or_else(|| unread("its values take many times the size of the file"))?;
        Ok(())
    }

    fn shape(&self, id: Id) -> Result<Vec<usize>> {
        let Value::Tuple(lengths) = self.graph.get(id) else { return Err(invalid("'shape' is no tuple")) };
        let length = |&id: &Id| match self.graph.get(id) {
            Value::Int(length) => usize::try_from(*length).map_err(|_| invalid("'shape' has a negative length")),
            _ => Err(invalid("'shape' holds something else than lengths")),
        };
        lengths.iter().map(length).collect()
    }

    /// The objects of an array, which is written as lists of lists of nodes.
    fn flattened(&mut self, json: &Json, dimensions: usize, out: &mut Vec<Id>) -> Result<()> {
        let Json::Array(items) = json else { return Err(invalid("'content' is no list")) };
        for item in items {
            match (dimensions, item) {
                (2.., Json::Object(list)) => self.flattened(field(list, "content")?, dimensions - 1, out)?,
                (2.., _) => return Err(unread("an array of lists of another shape is not read")),
                _ => out.push(self.node(item)?),
            }
        }
        Ok(())
    }
}

fn object(class: String, args: Option<Id>, state: Option<Id>) -> Value {
    Value::Object(Box::new(Object { class, args, state, ..Object::default() }))
}

fn field<'a>(node: &'a Node, name: &str) -> Result<&'a Json> {
    node.get(name).ok_or_else(|| invalid(format!("'{name}' is missing")))
}

fn content(node: &Node) -> Result<&Node> {
    match field(node, "content")? {
        Json::Object(content) => Ok(content),
        _ => Err(invalid("'content' is no object")),
    }
}

fn text<'a>(node: &'a Node, name: &str) -> Result<&'a str> {
    field(node, name)?.as_str().ok_or_else(|| invalid(format!("'{name}' is no text")))
}
