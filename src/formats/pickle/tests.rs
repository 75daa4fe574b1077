use super::*;
use crate::formats::{
    npy::Data,
    objects::{Graph, Id, Value},
};

/// A pickle of protocol 2 from its opcodes.
fn pickle(opcodes: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"\x80\x02".to_vec();
    opcodes.iter().for_each(|opcode| bytes.extend_from_slice(opcode));
    bytes.push(b'.');
    bytes
}

fn items(graph: &Graph, id: Id) -> &[Id] {
    match graph.get(id) {
        Value::List(items) | Value::Tuple(items) => items,
        other => panic!("{other:?}"),
    }
}

fn refused(bytes: &[u8], cause: &str) {
    let error = read(bytes.to_vec()).unwrap_err();
    assert!(error.to_string().contains(cause), "{error}");
}

#[test]
fn calls_are_names_and_arguments() {
    let graph = read(b"cos\nsystem\n(S'touch pwned'\ntR.".to_vec()).unwrap();
    let Value::Object(object) = graph.get(graph.root()) else { panic!("{:?}", graph.get(graph.root())) };
    assert_eq!(object.class, "os.system");
    assert_eq!(graph.get(items(&graph, object.args.unwrap())[0]), &Value::Text("touch pwned".into()));
    assert_eq!(graph.globals().collect::<Vec<_>>(), ["os.system"]);
    assert!(!is_data("os.system") && !is_data("builtins.eval") && !is_data("numpy.load") && is_data("numpy.ndarray"));
}

#[test]
fn every_way_to_name_a_class_is_listed() {
    for bytes in [
        &b"cposix\nsystem\n."[..],
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93.",
        b"(S'x'\niposix\nsystem\n.",
        b"(cposix\nsystem\nS'x'\no.",
        b"cposix\nsystem\n)\x81.",
    ] {
        assert_eq!(read(bytes.to_vec()).unwrap().globals().collect::<Vec<_>>(), ["posix.system"]);
    }
    for bytes in [&b"Pid\n."[..], b"NQ.", b"\x82\x01.", b"\x97.", b"cos\nsystem\n)R)R."] {
        assert!(!read(bytes.to_vec()).unwrap().globals().all(is_data), "{bytes:?}");
    }
}

#[test]
fn the_table_of_plain_data_is_sorted() {
    assert!(DATA.is_sorted());
}

#[test]
fn plain_values() {
    let graph = read(pickle(&[
        b"(",
        b"N",
        b"\x88",
        b"K\x07",
        b"J\xff\xff\xff\xff",
        b"\x8a\x02\x00\xff",
        b"\x8a\x09\0\0\0\0\0\0\0\0\x01",
        b"G\x3f\xf8\0\0\0\0\0\0",
        b"X\x03\0\0\0a\xc3\xa9",
        b")",
        b"l",
    ]))
    .unwrap();
    let values: Vec<&Value> = items(&graph, graph.root()).iter().map(|&id| graph.get(id)).collect();
    let expected = [
        Value::None,
        Value::Bool(true),
        Value::Int(7),
        Value::Int(-1),
        Value::Int(-256),
        Value::Huge,
        Value::Float(1.5),
        Value::Text("aé".into()),
        Value::Tuple(Vec::new()),
    ];
    assert_eq!(values, expected.iter().collect::<Vec<_>>());
}

#[test]
fn cycles_are_data_like_any_other() {
    let graph = read(pickle(&[b"]", b"q\0", b"h\0", b"a"])).unwrap();
    assert_eq!(items(&graph, graph.root()), [graph.root()]);
}

#[test]
fn lengths_are_checked_before_they_are_believed() {
    refused(&pickle(&[b"X\xff\xff\xff\xff"]), "a length of 4294967295 bytes");
    refused(&pickle(&[b"\x8d\0\0\0\0\0\x01\0\0"]), "a length of 1099511627776 bytes");
    refused(&pickle(&[b"\x96\0\0\0\0\0\x01\0\0"]), "a length of 1099511627776 bytes");
    refused(&pickle(&[b"\x8b\xff\xff\xff\x7f"]), "a length of 2147483647 bytes");
    refused(b"\x80\x04\x8c", "bytes wanted");
}

#[test]
fn deep_nesting_is_bounded_and_costs_no_stack() {
    refused(&[&b"("[..]; 5000].concat(), "nest deeper");
    let mut deep = vec![b']'; 1 << 20];
    deep.extend(vec![b'a'; (1 << 20) - 1]);
    deep.push(b'.');
    read(deep).unwrap();
    let mut tuples = b")".to_vec();
    tuples.extend(vec![0x85; 1 << 20]);
    tuples.push(b'.');
    read(tuples).unwrap();
}

#[test]
fn what_the_machine_cannot_do_is_refused() {
    for (bytes, cause) in [
        (&b"."[..], "stack is empty"),
        (b"a.", "stack is empty"),
        (b"(a.", "stack is empty"),
        (b"N\x85\x85\x86.", "stack is empty"),
        (b"t.", "stack is empty"),
        (b"NK\x01b.", "a state for something that has none"),
        (b"N(Ne.", "an item for something that is no list"),
        (b"](Nu.", "a key without a value"),
        (b"h\x01.", "the memo has no value 1"),
        (b"\xfe.", "0xfe is no opcode"),
        (b"N", "bytes wanted"),
    ] {
        refused(bytes, cause);
    }
}

#[test]
fn what_python_may_read_is_left_to_it() {
    // What is legal, as Python's own pickler or cloudpickle writes it, but no plain data.
    for bytes in [
        // An object of a class that was made by a call, as where it is pickled by value; its state, items and keys.
        &b"\x80\x04cm\nmake\n)R)\x81}b."[..],
        b"\x80\x04cm\nmake\n)R)\x81Na.",
        b"\x80\x04cm\nmake\n)R)\x81NNs.",
        b"ccopyreg\n_reconstructor\n(cm\nmake\n)Rcbuiltins\nobject\nNtR}b.",
        // Attributes of a class and of a dict; a key of a list.
        b"cm\nclass\n}b.",
        b"}(VA\nNu}b.",
        b"](I0\nNu.",
        b"NNb.",
        // Text of protocol 0 with escapes and with bytes beyond ASCII, with double quotes, with half a pair of surrogates.
        b"V\\u0101\n.",
        b"S'\\n'\n.",
        b"X\x03\0\0\0\xed\xa0\x80.",
        // A protocol that is not known yet; types, scalars and arrays of numpy in other forms.
        b"\x80\x06N.",
        b"cnumpy\ndtype\n(VT\ntR.",
        b"cnumpy\ndtype\n(Vf8\ntR(I3\nV<\nNI1\ntb.",
    ] {
        match read(bytes.to_vec()) {
            Ok(graph) => assert!(!graph.globals().all(is_data), "{bytes:?}"),
            Err(error) => assert_eq!(error.kind(), crate::error::Kind::Unimplemented, "{bytes:?}: {error}"),
        }
    }
    // What is data in another form is read.
    for (bytes, value) in [
        (&b"V\xe9\n."[..], Value::Text("é".into())),
        (b"S\"it's\"\n.", Value::Text("it's".into())),
        (b"I0x1f\n.", Value::Int(31)),
        (b"L-1_000L\n.", Value::Int(-1000)),
        (b"F1_0.5\n.", Value::Float(10.5)),
        (b"F-inf\n.", Value::Float(f64::NEG_INFINITY)),
    ] {
        let graph = read(bytes.to_vec()).unwrap();
        assert_eq!(graph.get(graph.root()), &value, "{bytes:?}");
    }
    // Very many objects of one class are more than is read here, and nothing is wrong with them.
    let mut objects = b"\x80\x02cpackage.module\nAClassOfALongNameThatManyObjectsAreOf\nq\0](".to_vec();
    (0..200_000).for_each(|_| objects.extend_from_slice(b"h\0)\x81"));
    objects.extend_from_slice(b"e.");
    assert_eq!(read(objects).unwrap_err().kind(), crate::error::Kind::Unimplemented);
}

/// `numpy.dtype('f8')`, `numpy.ndarray` and the bytes of `count` zeros, as protocol 5 writes an array.
fn array(count: i64, bytes: &[u8]) -> Vec<u8> {
    let mut out = b"\x80\x05cnumpy._core.numeric\n_frombuffer\n(\x96".to_vec();
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend(bytes);
    out.extend(b"cnumpy\ndtype\n(\x8c\x02f8\x89\x88tR\x8a\x08");
    out.extend(count.to_le_bytes());
    out.extend(b"\x85\x8c\x01CtR");
    out
}

#[test]
fn arrays_in_their_place() {
    let mut bytes = array(2, &[1.5f64.to_le_bytes(), (-2.0f64).to_le_bytes()].concat());
    bytes.push(b'.');
    let graph = read(bytes).unwrap();
    let Value::Array(array) = graph.get(graph.root()) else { panic!("{:?}", graph.get(graph.root())) };
    assert_eq!((array.shape.as_slice(), &array.data), (&[2usize][..], &Data::Floats(vec![1.5, -2.0])));
    assert!(graph.globals().all(is_data));
}

#[test]
fn an_array_is_as_long_as_its_bytes() {
    for count in [1 << 40, -1, i64::MAX] {
        let mut bytes = array(count, &[0; 16]);
        bytes.push(b'.');
        let error = read(bytes).unwrap_err().to_string();
        assert!(error.contains("cannot have 16 bytes") || error.contains("numpy shape"), "{error}");
    }
}

#[test]
fn referring_to_the_same_bytes_again_and_again_is_bounded() {
    let mut bytes = b"\x80\x05\x96\x00\x00\x10\x00\x00\x00\x00\x00".to_vec();
    bytes.extend(vec![0; 1 << 20]);
    bytes.extend(b"q\0cnumpy._core.numeric\n_frombuffer\nq\x01cnumpy\ndtype\nX\x02\0\0\0u1\x85Rq\x02");
    bytes.extend(b"J\0\0\x10\0\x85q\x03X\x01\0\0\0Cq\x04](");
    for _ in 0..1000 {
        bytes.extend(b"h\x01(h\0h\x02h\x03h\x04tR");
    }
    bytes.extend(b"e.");
    refused(&bytes, "many times the size of the file");
}

#[test]
fn compressed_bombs_are_refused() {
    use std::io::Write as _;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b'N'; 64 << 20]).unwrap();
    refused(&encoder.finish().unwrap(), "grow to more than");
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"\x80\x02K\x05.").unwrap();
    let graph = read(encoder.finish().unwrap()).unwrap();
    assert_eq!(graph.get(graph.root()), &Value::Int(5));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let _ = read(bytes);
    }

    #[test]
    fn no_change_of_a_pickle_makes_it_panic(at in 0usize..120, byte: u8) {
        let mut bytes = array(2, &[0; 16]);
        bytes.push(b'.');
        if let Some(changed) = bytes.get_mut(at) {
            *changed = byte;
        }
        let _ = read(bytes);
    }
}
