//! The forms in which numpy pickles types, scalars and arrays, and Python's own bytes in protocol 2.

use bytes::Bytes;

use super::machine::Machine;
use crate::{
    error::{Error, Result},
    formats::{
        invalid,
        npy::{Array, Data, Dtype, Field, Kind},
        objects::{Graph, Id, Value},
        unread,
    },
};

/// The value a call of numpy's gives; `None` where the name is none of its.
pub(super) fn call(machine: &mut Machine<'_>, name: &str, args: Id) -> Result<Option<Value>> {
    let graph = &machine.graph;
    let Value::Tuple(args) = graph.get(args) else { return Ok(None) };
    let value = match (name, args.as_slice()) {
        ("numpy.dtype", [code, ..]) => match graph.get(*code) {
            Value::Text(code) => Value::Dtype(Dtype::from_code(code)?),
            _ => return Ok(None),
        },
        ("numpy.core.multiarray.scalar" | "numpy._core.multiarray.scalar", [dtype, bytes]) => {
            let dtype = dtype_of(graph, *dtype)?;
            // An object's scalar is that object.
            let Value::Bytes(bytes) = graph.get(*bytes) else { return Ok(None) };
            machine.budget.spend(bytes.len())?;
            scalar(Array::decode(dtype, Vec::new(), false, bytes, None)?)
        }
        ("numpy.core.numeric._frombuffer" | "numpy._core.numeric._frombuffer", [bytes, dtype, shape, order]) => {
            let Value::Bytes(bytes) = graph.get(*bytes) else { return Err(malformed("array")) };
            let fortran = matches!(graph.get(*order), Value::Text(order) if order == "F");
            let dtype = dtype_of(graph, *dtype)?;
            machine.budget.spend(bytes.len())?;
            Value::Array(Box::new(Array::decode(dtype, shape_of(graph, *shape)?, fortran, bytes, Some(bytes))?))
        }
        ("_codecs.encode", [text, encoding]) => match (graph.get(*text), graph.get(*encoding)) {
            (Value::Text(text), Value::Text(encoding)) if encoding == "latin1" => {
                machine.budget.spend(text.len())?;
                let byte = |c: char| u8::try_from(u32::from(c)).map_err(|_| invalid(format!("'{c}' is no byte")));
                Value::Bytes(text.chars().map(byte).collect::<Result<Vec<_>>>()?.into())
            }
            _ => return Ok(None),
        },
        ("__builtin__.bytes" | "builtins.bytes" | "builtins.bytearray" | "__builtin__.bytearray", []) => {
            Value::Bytes(Bytes::new())
        }
        ("builtins.bytearray" | "__builtin__.bytearray", [bytes]) => match graph.get(*bytes) {
            Value::Bytes(bytes) => Value::Bytes(bytes.clone()),
            _ => return Ok(None),
        },
        ("builtins.set" | "__builtin__.set" | "builtins.frozenset", [items]) => match graph.get(*items) {
            Value::List(items) | Value::Tuple(items) => {
                machine.budget.spend(items.len() * 4)?;
                Value::Set(items.clone())
            }
            _ => return Ok(None),
        },
        ("collections.OrderedDict" | "builtins.dict" | "__builtin__.dict", []) => Value::Dict(Vec::new()),
        _ => return Ok(None),
    };
    Ok(Some(value))
}

/// Sets the state of a type or an array; false where the object is neither.
pub(super) fn build(machine: &mut Machine<'_>, object: Id, state: Id) -> Result<bool> {
    let graph = &machine.graph;
    let value = match graph.get(object) {
        Value::Dtype(dtype) => Value::Dtype(described(graph, dtype, state)?),
        Value::Object(object) if object.class.ends_with(".multiarray._reconstruct") && object.class.starts_with("numpy.") => {
            let class = object.args.map(|args| graph.get(args));
            let is_array = matches!(class, Some(Value::Tuple(args)) if args.first().is_some_and(|&class| {
                matches!(graph.get(class), Value::Global(name) if name == "numpy.ndarray")
            }));
            if !is_array {
                return Ok(false);
            }
            let Value::Tuple(parts) = graph.get(state) else { return Err(malformed("array")) };
            let [_, shape, dtype, fortran, items] = parts.as_slice() else { return Err(malformed("array")) };
            let shape = shape_of(graph, *shape)?;
            let dtype = dtype_of(graph, *dtype)?;
            let fortran = matches!(graph.get(*fortran), Value::Bool(true));
            Value::Array(Box::new(match graph.get(*items) {
                Value::Bytes(bytes) => {
                    machine.budget.spend(bytes.len())?;
                    Array::decode(dtype, shape, fortran, bytes, Some(bytes))?
                }
                Value::List(items) if dtype.kind == Kind::Object => {
                    machine.budget.spend(items.len() * 4)?;
                    Array::of_objects(shape, items.clone(), fortran)?
                }
                _ => return Err(malformed("array")),
            }))
        }
        _ => return Ok(false),
    };
    *machine.graph.get_mut(object) = value;
    Ok(true)
}

/// A type after its state: `(version, byte order, sub-array, names, fields, size, alignment, flags)`.
fn described(graph: &Graph, dtype: &Dtype, state: Id) -> Result<Dtype> {
    let Value::Tuple(parts) = graph.get(state) else { return Err(malformed("type")) };
    let [_, order, _, names, fields, size, ..] = parts.as_slice() else { return Err(malformed("type")) };
    let big_endian = matches!(graph.get(*order), Value::Text(order) if order == ">");
    let (Value::Tuple(names), Value::Dict(fields), Value::Int(size)) = (graph.get(*names), graph.get(*fields), graph.get(*size))
    else {
        return Ok(Dtype { big_endian, ..dtype.clone() });
    };
    let mut described = Vec::new();
    for &name in names {
        let Value::Text(text) = graph.get(name) else { return Err(malformed("type")) };
        let same = |key: Id| matches!(graph.get(key), Value::Text(key) if key == text);
        let place = fields.iter().find(|(key, _)| same(*key)).map(|(_, place)| graph.get(*place));
        let Some(Value::Tuple(place)) = place else { return Err(malformed("type")) };
        let [dtype, offset, ..] = place.as_slice() else { return Err(malformed("type")) };
        let Value::Int(offset) = graph.get(*offset) else { return Err(malformed("type")) };
        let offset = usize::try_from(*offset).map_err(|_| malformed("type"))?;
        described.push(Field { name: text.clone(), dtype: dtype_of(graph, *dtype)?.clone(), offset });
    }
    Dtype::record(described, usize::try_from(*size).map_err(|_| malformed("type"))?)
}

/// A number, truth value or text of numpy as the plain value it is, whatever else as an array without dimensions.
pub(in crate::formats) fn scalar(array: Array) -> Value {
    match &array.data {
        Data::Bools(items) if items.len() == 1 => Value::Bool(items[0]),
        Data::Ints(items) if items.len() == 1 => Value::Int(items[0]),
        Data::Uints(items) if items.len() == 1 => i64::try_from(items[0]).map_or(Value::Huge, Value::Int),
        Data::Floats(items) if items.len() == 1 => Value::Float(items[0]),
        Data::Texts(items) if items.len() == 1 => Value::Text(items[0].clone()),
        _ => Value::Array(Box::new(array)),
    }
}

pub(super) fn dtype_of(graph: &Graph, id: Id) -> Result<&Dtype> {
    match graph.get(id) {
        Value::Dtype(dtype) => Ok(dtype),
        _ => Err(malformed("array")),
    }
}

pub(super) fn shape_of(graph: &Graph, id: Id) -> Result<Vec<usize>> {
    let Value::Tuple(lengths) = graph.get(id) else { return Err(malformed("shape")) };
    let length = |&id: &Id| match graph.get(id) {
        Value::Int(length) => usize::try_from(*length).map_err(|_| malformed("shape")),
        _ => Err(malformed("shape")),
    };
    lengths.iter().map(length).collect()
}

fn malformed(what: &str) -> Error {
    unread(format!("a numpy {what} in a form that is not known"))
}
