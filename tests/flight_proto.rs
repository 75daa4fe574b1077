//! The generated messages are what their sources say. `MLFLIGHT_UPDATE_PROTO=1` writes them anew.

use std::{fs, path::Path};

#[test]
fn generated_messages_match_their_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = ["mlflight/v1/score.proto", "arrow/flight/protocol.proto"];
    let mut descriptors = protox::compile(sources, [root.join("proto")]).unwrap();
    // Comments stay in the Rust code; a reader of the reflection service needs names and numbers.
    let out = tempfile::tempdir().unwrap();
    let ours = protox::compile(&sources[..1], [root.join("proto")]).unwrap();
    tonic_prost_build::configure().out_dir(out.path()).compile_fds(ours).unwrap();
    for file in &mut descriptors.file {
        file.source_code_info = None;
    }
    let generated = [
        ("request/mlflight.v1.rs", fs::read(out.path().join("mlflight.v1.rs")).unwrap()),
        ("flight/descriptors.bin", prost::Message::encode_to_vec(&descriptors)),
    ];
    for (name, bytes) in generated {
        let committed = root.join("src").join(name);
        if std::env::var_os("MLFLIGHT_UPDATE_PROTO").is_some() {
            fs::write(&committed, &bytes).unwrap();
        }
        let same = fs::read(&committed).unwrap() == bytes;
        assert!(same, "{} is not what proto/ says: run this test with MLFLIGHT_UPDATE_PROTO=1", committed.display());
    }
}
