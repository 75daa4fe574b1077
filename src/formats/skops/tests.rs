use super::*;
use crate::formats::objects::Value;

/// A zip archive of stored entries.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        common.extend(crc.sum().to_le_bytes());
        common.extend((content.len() as u32).to_le_bytes());
        common.extend((content.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend((out.len() as u32).to_le_bytes());
        directory.extend(name.bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.bytes());
        out.extend(*content);
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

fn schema(text: &str) -> Vec<u8> {
    archive(&[("schema.json", text.as_bytes())])
}

fn refused(bytes: &[u8], cause: &str) {
    let error = read(bytes).unwrap_err();
    assert!(error.to_string().contains(cause), "{error}");
}

#[test]
fn nodes_become_values() {
    let graph = read(&schema(
        r#"{"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "__id__": 1, "content": [
            {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "\"a\"", "__id__": 2},
            {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "NaN", "__id__": 3},
            {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "0.1", "__id__": 4},
            {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "__id__": 5},
            {"__class__": "X", "__module__": "evil", "__loader__": "MethodNode", "__id__": 6, "content": {}}
        ]}"#,
    ))
    .unwrap();
    let Value::List(items) = graph.get(graph.root()) else { panic!("{:?}", graph.get(graph.root())) };
    assert_eq!(graph.get(items[0]), &Value::Text("a".into()));
    assert!(matches!(graph.get(items[1]), Value::Float(number) if number.is_nan()));
    assert_eq!(graph.get(items[2]), &Value::Float(0.1));
    assert_eq!(graph.get(items[3]), &Value::Global("os.system".into()));
    assert_eq!(graph.globals().collect::<Vec<_>>(), ["evil.X", "os.system"]);
}

#[test]
fn archives_made_to_harm_are_refused() {
    refused(&archive(&[("../../etc/passwd", b"x"), ("schema.json", b"{}")]), "leaves the archive");
    refused(&archive(&[("schema.json", b"{}"), ("schema.json", b"{}")]), "two zip entries");
    refused(&archive(&[("other", b"")]), "no entry 'schema.json'");
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    refused(&schema(&deep), "recursion limit");
    let mut changed = schema(r#"{"a": 1}"#);
    changed[42] ^= 1;
    refused(&changed, "checksum");
}

#[test]
fn reading_an_entry_again_and_again_is_bounded() {
    let mut npy = b"\x93NUMPY\x01\x00\x46\x00{'descr': '|u1', 'fortran_order': False, 'shape': (1048576,), }".to_vec();
    npy.resize(10 + 0x46, b' ');
    npy.extend(vec![0; 1 << 20]);
    let node =
        r#"{"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy", "file": "a.npy"}"#;
    let nodes = vec![node; 400].join(",");
    let schema = format!(r#"{{"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": [{nodes}]}}"#);
    refused(&archive(&[("a.npy", &npy), ("schema.json", schema.as_bytes())]), "many times the size of the file");
}

proptest::proptest! {
    #[test]
    fn no_change_of_an_archive_makes_it_panic(at in 0usize..200, byte: u8) {
        let mut bytes = schema(r#"{"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "1"}"#);
        if let Some(changed) = bytes.get_mut(at) {
            *changed = byte;
        }
        let _ = read(&bytes);
    }
}
