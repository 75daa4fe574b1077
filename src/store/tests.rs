use std::{
    fs,
    path::{Path, PathBuf},
    sync::Barrier,
};

use super::*;
use crate::error::Kind;

/// Computed by hand:
/// `sha256(b"".join(pack("<Q", len(name)) + name + pack("<Q", len(content)) + sha256(content).digest() for name in sorted(files)))`.
const DIGEST: &str = "c6d9459de363eaff11a93b56140127b01886beacaec08f63db99fd4c681c7da0";

fn model(root: &Path) -> PathBuf {
    let directory = root.join("model");
    fs::create_dir_all(directory.join("data")).unwrap();
    fs::write(directory.join("MLmodel"), "flavors: {}\n").unwrap();
    fs::write(directory.join("data/a.txt"), "hello").unwrap();
    fs::write(directory.join("data-b"), "").unwrap();
    directory
}

fn archive(root: &Path, entries: &[(&str, tar::EntryType, &[u8])]) -> PathBuf {
    let path = root.join("made.tar");
    let mut builder = tar::Builder::new(fs::File::create(&path).unwrap());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        // Past the crate's own checks, as an attacker would.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.finish().unwrap();
    path
}

#[test]
fn the_digest_is_the_one_computed_by_hand() {
    let root = tempfile::tempdir().unwrap();
    let directory = model(root.path());
    assert_eq!(digest(&directory).unwrap().as_str(), DIGEST);
    fs::create_dir(directory.join("empty")).unwrap();
    assert_eq!(digest(&directory).unwrap().as_str(), DIGEST, "empty directories do not count");
    fs::write(directory.join("data/a.txt"), "hellp").unwrap();
    assert_ne!(digest(&directory).unwrap().as_str(), DIGEST);
}

#[test]
fn what_was_hashed_is_remembered_until_it_changes() {
    let root = tempfile::tempdir().unwrap();
    let directory = model(root.path());
    let old = fs::FileTimes::new().set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(60));
    let set_old = |content: &str| {
        fs::write(directory.join("data/a.txt"), content).unwrap();
        fs::File::options().write(true).open(directory.join("data/a.txt")).unwrap().set_times(old).unwrap();
    };
    set_old("hello");
    assert_eq!(digest(&directory).unwrap().as_str(), DIGEST);
    assert_eq!(digest(&directory).unwrap().as_str(), DIGEST);
    // Same size and same modification time: the change time tells.
    set_old("jello");
    assert_ne!(digest(&directory).unwrap().as_str(), DIGEST);
}

#[test]
fn only_regular_files_make_a_model() {
    let root = tempfile::tempdir().unwrap();
    let directory = model(root.path());
    std::os::unix::fs::symlink("/etc/passwd", directory.join("link")).unwrap();
    let error = digest(&directory).unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::InvalidModel, "NOT_A_REGULAR_FILE"));
    assert!(error.to_string().contains("link' is a symlink"), "{error}");
    assert_eq!(pack(&directory, root.path()).unwrap_err().code(), "NOT_A_REGULAR_FILE");
    fs::remove_file(directory.join("link")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(directory.join("socket")).unwrap();
    assert!(digest(&directory).unwrap_err().to_string().contains("is a socket"));
    drop(socket);
}

#[test]
fn a_packed_model_is_unpacked_with_its_digest() {
    let root = tempfile::tempdir().unwrap();
    let directory = model(root.path());
    let long = format!("data/{}/{}", "d".repeat(120), "f".repeat(120));
    fs::create_dir_all(directory.join(&long).parent().unwrap()).unwrap();
    fs::write(directory.join(&long), vec![7; 200_000]).unwrap();
    let expected = digest(&directory).unwrap();
    let out = root.path().join("out/deep");
    let packed = pack(&directory, &out).unwrap();
    assert_eq!(packed, out.join(format!("mlflight-model-{expected}.mlflight")));
    let bytes = fs::read(&packed).unwrap();
    fs::remove_file(&packed).unwrap();
    assert_eq!(fs::read(pack(&directory, &out).unwrap()).unwrap(), bytes, "equal models give equal archives");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1, "nothing half-written is left");

    let cache = root.path().join("cache");
    let unpacked = unpack(&packed, &expected, &cache).unwrap();
    assert_eq!(unpacked, cache.join(expected.as_str()));
    assert_eq!(fs::read(unpacked.join(&long)).unwrap(), vec![7; 200_000]);
    fs::remove_file(&packed).unwrap();
    assert_eq!(unpack(&packed, &expected, &cache).unwrap(), unpacked, "the second time needs no archive");
}

#[test]
fn a_damaged_copy_is_made_anew() {
    let root = tempfile::tempdir().unwrap();
    let directory = model(root.path());
    let expected = digest(&directory).unwrap();
    let packed = pack(&directory, root.path()).unwrap();
    let cache = root.path().join("cache");
    let unpacked = unpack(&packed, &expected, &cache).unwrap();
    fs::remove_file(unpacked.join("data/a.txt")).unwrap();
    assert_eq!(unpack(&packed, &expected, &cache).unwrap(), unpacked);
    assert_eq!(digest(&unpacked).unwrap(), expected);
    let visible =
        fs::read_dir(&cache).unwrap().filter(|entry| !entry.as_ref().unwrap().path().ends_with(format!(".{expected}.lock")));
    assert_eq!(visible.count(), 1, "the damaged copy is gone");
}

#[test]
fn another_models_archive_is_refused_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let packed = pack(&model(root.path()), root.path()).unwrap();
    let cache = root.path().join("cache");
    let other = Digest::parse(&"0".repeat(64)).unwrap();
    let error = unpack(&packed, &other, &cache).unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::InvalidModel, "DIGEST_MISMATCH"));
    assert!(!cache.join(other.as_str()).exists());
    let cut = root.path().join("cut.tar");
    let bytes = fs::read(&packed).unwrap();
    for length in [0, 100, 512, 700, 1024 + 13] {
        fs::write(&cut, &bytes[..length]).unwrap();
        assert_eq!(unpack(&cut, &other, &cache).unwrap_err().kind(), Kind::InvalidModel, "{length}");
    }
    let error = unpack(&root.path().join("none.tar"), &other, &cache).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
}

#[test]
fn archives_cannot_leave_their_directory() {
    use tar::EntryType;
    let root = tempfile::tempdir().unwrap();
    let expected = Digest::parse(&"0".repeat(64)).unwrap();
    let cache = root.path().join("cache");
    for (entries, message) in [
        (vec![("../evil", EntryType::Regular, &b"x"[..])], "leaves the model's directory"),
        (vec![("/tmp/evil", EntryType::Regular, b"x")], "leaves the model's directory"),
        (vec![("a/../../evil", EntryType::Regular, b"x")], "leaves the model's directory"),
        (vec![("link", EntryType::Symlink, b"")], "is no regular file"),
        (vec![("link", EntryType::Link, b"")], "is no regular file"),
        (vec![("fifo", EntryType::Fifo, b"")], "is no regular file"),
        (vec![("a", EntryType::Regular, b"x"), ("a", EntryType::Regular, b"y")], "exists"),
    ] {
        let error = unpack(&archive(root.path(), &entries), &expected, &cache).unwrap_err();
        assert!(error.to_string().contains(message), "{entries:?}: {error}");
        assert!(!root.path().join("evil").exists() && !cache.join("evil").exists());
    }
}

#[test]
fn many_unpack_at_once_and_all_get_the_whole_model() {
    let root = tempfile::tempdir().unwrap();
    let directory = model(root.path());
    fs::write(directory.join("big"), vec![1; 3_000_000]).unwrap();
    let expected = digest(&directory).unwrap();
    let packed = pack(&directory, root.path()).unwrap();
    let cache = root.path().join("cache");
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                let unpacked = unpack(&packed, &expected, &cache).unwrap();
                assert_eq!(digest(&unpacked).unwrap(), expected);
            });
        }
    });
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 2, "the model and its lock");
}

#[test]
fn paths_and_file_uris_are_resolved() {
    let root = tempfile::tempdir().unwrap();
    let base = fs::canonicalize(root.path()).unwrap();
    let directory = base.join("a model:1");
    fs::create_dir(&directory).unwrap();
    let path = directory.to_str().unwrap();
    for uri in [path.to_owned(), format!("file:{path}"), format!("file://{}", path.replace(' ', "%20")), format!("{path}/.")] {
        assert_eq!(resolve(&uri).unwrap().directory, directory, "{uri}");
    }
    fs::write(base.join("file"), "").unwrap();
    for (uri, kind, code) in [
        (format!("{path}/none"), Kind::NotFound, "MODEL_NOT_FOUND"),
        (base.join("file").display().to_string(), Kind::NotFound, "MODEL_NOT_FOUND"),
        ("ftp://host/model".into(), Kind::Unimplemented, "MODEL_URI_SCHEME"),
        ("hdfs://host/model".into(), Kind::Unimplemented, "MODEL_URI_SCHEME"),
        ("file://host/model".into(), Kind::InvalidArgument, "MODEL_URI_INVALID"),
        (String::new(), Kind::InvalidArgument, "MODEL_URI_INVALID"),
    ] {
        let error = resolve(&uri).unwrap_err();
        assert_eq!((error.kind(), error.code()), (kind, code), "{uri}: {error}");
    }
}

#[test]
fn paths_of_a_model_stay_in_it() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path();
    assert_eq!(within(directory, "data/./model.pkl").unwrap(), directory.join("data/model.pkl"));
    std::os::unix::fs::symlink("/etc", directory.join("link")).unwrap();
    for path in ["../x", "/etc/passwd", "a/../../x", "link/passwd"] {
        assert_eq!(within(directory, path).unwrap_err().code(), "PATH_OUTSIDE_MODEL", "{path}");
    }
}
