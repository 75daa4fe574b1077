//! Pickles of known opcodes in any order, with names that the reader knows.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mlflight::formats::pickle;

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    /// An opcode without an argument.
    Plain(u8),
    Number(i32),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Global(u8),
    Remember,
    Recall(u8),
}

const PLAIN: &[u8] = b"N\x88\x89]}()tlda\x90esu012\x85\x86\x87R\x81\x92ob\x8f\x91\x93";

const NAMES: [(&str, &str); 14] = [
    ("builtins", "dict"),
    ("builtins", "slice"),
    ("builtins", "bytearray"),
    ("_codecs", "encode"),
    ("collections", "OrderedDict"),
    ("copyreg", "_reconstructor"),
    ("joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("sklearn.tree._tree", "Tree"),
    ("os", "system"),
];

fuzz_target!(|steps: Vec<Step<'_>>| {
    let mut bytes = vec![0x80, 5];
    for step in &steps {
        match step {
            Step::Plain(at) => bytes.push(PLAIN[usize::from(*at) % PLAIN.len()]),
            Step::Number(number) => bytes.extend([&b"J"[..], &number.to_le_bytes()].concat()),
            Step::Float(number) => bytes.extend([&b"G"[..], &number.to_be_bytes()].concat()),
            Step::Text(text) => bytes.extend([&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()),
            Step::Bytes(content) => bytes.extend([&b"B"[..], &(content.len() as u32).to_le_bytes(), content].concat()),
            Step::Global(at) => {
                let (module, name) = NAMES[usize::from(*at) % NAMES.len()];
                bytes.extend(format!("c{module}\n{name}\n").into_bytes());
            }
            Step::Remember => bytes.push(0x94),
            Step::Recall(at) => bytes.extend([b'h', *at]),
        }
    }
    bytes.push(b'.');
    drop(pickle::read(bytes));
});
