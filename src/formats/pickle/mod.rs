//! Python's pickles, protocols 0 to 5, read as data: no class is imported, no function called. Arrays of numpy, whether inside the
//! pickle or written by joblib between its opcodes, become [`npy::Array`](super::npy::Array)s.

mod joblib;
mod machine;
pub(super) mod numpy;
mod stream;
mod values;

use bytes::Bytes;

use super::objects::Graph;
use crate::error::Result;

/// The name that a graph has in the place of what a call returns whose callee is the result of another one.
pub const COMPUTED: &str = "pickle.computed_callable";
/// The name that a graph lists where a value was changed in a way that is not followed here.
pub const CHANGED: &str = "pickle.changed_value";

/// How many opcodes a pickle may have.
const MAX_OPCODES: usize = 1 << 26;
/// How many values may be remembered by number.
const MAX_MEMO: usize = 1 << 23;
/// How deep unfinished lists, dicts and tuples may nest.
const MAX_MARKS: usize = 1 << 12;

/// Classes and functions that only hold or make plain data, so that a reader of this module's graphs sees values in their place.
const DATA: [&str; 44] = [
    "__builtin__.bytearray",
    "__builtin__.bytes",
    "__builtin__.complex",
    "__builtin__.dict",
    "__builtin__.float",
    "__builtin__.int",
    "__builtin__.list",
    "__builtin__.object",
    "__builtin__.set",
    "__builtin__.slice",
    "__builtin__.str",
    "__builtin__.tuple",
    "_codecs.encode",
    "builtins.bool",
    "builtins.bytearray",
    "builtins.bytes",
    "builtins.dict",
    "builtins.float",
    "builtins.frozenset",
    "builtins.int",
    "builtins.list",
    "builtins.object",
    "builtins.set",
    "builtins.slice",
    "builtins.str",
    "builtins.tuple",
    "builtins.type",
    "collections.OrderedDict",
    "collections.defaultdict",
    "copy_reg._reconstructor",
    "copyreg._reconstructor",
    "joblib.numpy_pickle.NumpyArrayWrapper",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.numeric._frombuffer",
    "numpy.bool_",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.core.numeric._frombuffer",
    "numpy.dtype",
    "numpy.float32",
    "numpy.float64",
    "numpy.int64",
    "numpy.ndarray",
];

/// Reads a pickle, which zlib may have compressed as joblib does.
pub fn read(bytes: impl Into<Bytes>) -> Result<Graph> {
    let bytes = bytes.into();
    const OTHERS: [&[u8]; 5] = [b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x5d\0\0", b"\x04\x22\x4d\x18"];
    if OTHERS.iter().any(|magic| bytes.starts_with(magic)) {
        return Err(super::unread("a pickle compressed otherwise than by zlib is not read"));
    }
    let bytes = match *bytes {
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => super::inflate::zlib(&bytes)?.into(),
        _ => bytes,
    };
    machine::Machine::new(&bytes).run()
}

/// Whether a class or function by this name is plain data.
pub fn is_data(name: &str) -> bool {
    // Types of numbers only say what an array's items are; random states and masked tables are notes of the training.
    DATA.binary_search(&name).is_ok() || is_number(name) || name.starts_with("numpy.random.") || name.starts_with("numpy.ma.")
}

fn is_number(name: &str) -> bool {
    let Some(kind) = name.strip_prefix("numpy.") else { return false };
    let width = kind.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let letters = &kind[..kind.len() - width.len()];
    matches!(letters, "int" | "uint" | "float" | "str" | "object" | "bool" | "bool_")
        && (width.is_empty() || width == "_" || matches!(width, "8" | "16" | "32" | "64"))
}

#[cfg(test)]
mod tests;
