//! The walls of the house, checked over the sources: which room imports which, which room may name which crate, and where `unsafe` may stand.
//! DESIGN.md, section 3. Everything that is not written down here is refused: a new room, a new dependency, a new file with `unsafe`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

type Table = BTreeMap<&'static str, &'static [&'static str]>;

/// Each room of `src/` with the rooms that it may import.
fn rooms() -> Table {
    BTreeMap::from([
        ("error", &[] as &[_]),
        ("file", &["error"]),
        ("config", &["error"]),
        ("memory", &[]),
        ("http", &["error", "config"]),
        ("tracking", &["error", "config", "file", "http"]),
        ("store", &["error", "config", "file", "http", "tracking"]),
        ("publish", &["error", "file", "http", "mlmodel", "store", "tracking"]),
        ("mlmodel", &["error", "config", "file"]),
        ("formats", &["error"]),
        ("kernels", &["error", "formats", "memory"]),
        ("score", &["error", "config", "mlmodel"]),
        ("python", &["error", "config", "file", "score", "mlmodel", "store"]),
        ("flavors", &["error", "config", "mlmodel", "store", "file", "formats", "kernels", "memory", "python", "score"]),
        ("models", &["error", "config", "flavors", "score", "store", "mlmodel"]),
        ("request", &["error", "config", "flavors", "score", "mlmodel"]),
        ("ops", &["error", "config", "flavors", "score", "models"]),
        ("flight", &["error", "config", "models", "ops", "request", "score", "mlmodel", "store", "flavors"]),
        ("batch", &["error", "config", "http", "models", "score", "mlmodel", "store", "flavors"]),
        (
            "cli",
            &[
                "error", "config", "store", "mlmodel", "score", "flavors", "models", "ops", "flight", "batch", "http", "publish",
                "tracking",
            ],
        ),
    ])
}

/// What the crates beside the library may use of it.
fn members() -> Table {
    BTreeMap::from([
        ("service/src", &["cli"] as &[_]),
        ("python/native/src", &["error", "flavors", "mlmodel", "models", "publish", "request", "score", "store", "tracking"]),
        ("jvm/native/src", &["error", "flight", "mlmodel", "models", "request", "score", "store"]),
    ])
}

/// Each dependency of the library with the places that may name it. Those that every room may name are data types and plain helpers.
fn dependencies() -> Table {
    const EVERYWHERE: &[&str] = &[""];
    BTreeMap::from([
        ("arrow", EVERYWHERE),
        ("arrow-flight", &["flight"]),
        ("async-trait", &["batch/sql", "store", "tracking"]),
        ("backon", &["http"]),
        ("base64", &["batch", "python", "store/dbfs"]),
        ("bytes", &["batch", "flight", "flavors", "formats", "memory", "store"]),
        ("chrono", &["cli/models", "score"]),
        ("chrono-tz", &["score"]),
        ("clap", &["cli"]),
        ("datafusion", &["batch/sql"]),
        ("fast-float2", &["batch/read"]),
        ("flatbuffers", &["request", "flight/wire"]),
        ("flate2", &["batch/compression", "formats", "store/archive"]),
        ("foldhash", &["batch/read", "flavors", "score"]),
        ("futures", &["batch/sql", "flight", "publish", "store"]),
        ("getrandom", &["tracking/fresh"]),
        ("glob", &["batch/read"]),
        ("half", &["formats", "kernels"]),
        ("icu_normalizer", &["kernels/text"]),
        ("indexmap", EVERYWHERE),
        ("indicatif", &["batch", "store/progress"]),
        ("libc", &["cli", "file", "python"]),
        ("lz4_flex", &["flight/wire"]),
        ("memchr", &["batch/read"]),
        ("memmap2", &["memory"]),
        ("object_store", &["store/objects"]),
        ("parquet", &["batch"]),
        ("prost", &["request", "flight"]),
        ("quick-xml", &["store/web"]),
        ("regex", &["kernels/text"]),
        ("regex-syntax", &["kernels/text"]),
        ("reqwest", &["http"]),
        ("rusqlite", &["tracking/sqlite"]),
        ("rustix", &["batch/write", "cli", "file", "memory", "python", "store/download"]),
        ("rustls", &["ops"]),
        ("saphyr-parser", &["mlmodel"]),
        ("serde", EVERYWHERE),
        ("serde_json", EVERYWHERE),
        ("serde_yaml", &["mlmodel", "flavors", "python", "tracking/directory"]),
        ("sha2", &["store", "python"]),
        ("simdutf8", &[]),
        ("tar", &["store"]),
        ("tempfile", EVERYWHERE),
        ("tokio", &["batch/remote", "batch/sql", "cli", "flight", "http", "ops", "publish", "store"]),
        ("tokio-stream", &["flight"]),
        ("tokio-util", &["ops"]),
        ("tonic", &["flight"]),
        ("tonic-health", &["flight/service"]),
        ("tonic-prost", &["flight"]),
        ("tonic-reflection", &["flight/service"]),
        ("tracing", EVERYWHERE),
        ("tracing-subscriber", &["cli"]),
        ("url", &["batch/sql", "http", "store", "request", "tracking"]),
        ("walkdir", &["batch/read", "batch/remote", "batch/write", "flavors/common"]),
        // skops has a module of this name.
        ("zip", &["formats/skops", "store/archive"]),
        ("zstd", &["batch/compression", "flight/wire"]),
    ])
}

/// Dependencies of one member alone.
const BRIDGES: [(&str, &str); 3] =
    [("pyo3", "python/native/src"), ("arrow_pyarrow", "python/native/src"), ("jni", "jvm/native/src")];

/// The files that may hold `unsafe`.
const UNSAFE: [&str; 13] = [
    "jvm/native/src/import.rs",
    "jvm/native/src/lib.rs",
    "jvm/native/src/stream.rs",
    "src/batch/read/text/csv/vector.rs",
    "src/kernels/prefetch.rs",
    "src/kernels/trees/binned.rs",
    "src/kernels/trees/vectors/add.rs",
    "src/kernels/trees/vectors/avx512.rs",
    "src/kernels/trees/vectors/look.rs",
    "src/kernels/trees/vectors/mod.rs",
    "src/kernels/trees/vectors/pass.rs",
    "src/kernels/trees/walk.rs",
    "src/memory.rs",
];

/// Files of `src/flavors/` that are no flavor.
const NO_FLAVORS: [&str; 3] = ["common", "mod", "options"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a directory, as its path inside it with its code.
fn sources(directory: &str) -> Vec<(String, String)> {
    fn visit(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let directory = root().join(directory);
    let mut found = Vec::new();
    visit(&directory, &mut found);
    found.sort();
    let named = |path: PathBuf| {
        let name = path.strip_prefix(&directory).unwrap().to_str().unwrap().to_owned();
        (name, code(&fs::read_to_string(&path).unwrap()))
    };
    found.into_iter().map(named).collect()
}

/// A source without its comments and the text of its literals.
fn code(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(hashes) = raw_string(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let open = rest.find('"').unwrap() + 1;
            rest[open..].find(&end).map_or(rest.len(), |at| open + at + end.len())
        } else if first == '"' {
            let mut end = 1;
            let bytes = rest.as_bytes();
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            (end + 1).min(rest.len())
        } else if ["'\"'", "b'\"'", "'\\\"'", "'\\''"].iter().any(|literal| rest.starts_with(literal)) {
            rest[1..].find(['"', '\'']).map_or(1, |at| at + 1) + 2
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.push(' ');
        rest = rest.get(skip..).unwrap_or_default();
    }
    code
}

/// How many `#` a raw string has that begins here.
fn raw_string(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].starts_with('"').then_some(hashes)
}

/// The heads of all paths that begin with `prefix`: `score` of `crate::score::Model`, and each of a group `crate::{score::Model, error}`.
fn heads(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let word = |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        let (mut depth, mut part) = (1, 0);
        for (end, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || depth == 1 && c == ',' {
                found.insert(word(&group[part..end]));
                part = end + 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    found.remove("");
    found
}

/// The first words of all paths: `tonic` of `tonic::transport::Server`.
fn first_words(code: &str) -> BTreeSet<&str> {
    let word = |text: &'_ str| text.len() - text.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_').len();
    let heads = code.match_indices("::").filter_map(|(at, _)| {
        let before = &code[..at];
        let start = at - word(before);
        // A path may begin with `::`, which stands after no word.
        let outside = before[..start]
            .strip_suffix("::")
            .map_or(start < at, |rest| !rest.ends_with(|c: char| c.is_alphanumeric() || "_>".contains(c)));
        (start < at && outside).then(|| &before[start..])
    });
    heads.collect()
}

/// The room of a file of `src/`.
fn room(name: &str) -> &str {
    name.split('/').next().unwrap().trim_end_matches(".rs")
}

/// How many modules lie above the one that a file is.
fn depth(name: &str) -> usize {
    name.split('/').filter(|part| *part != "mod.rs").count()
}

fn assert_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_room_imports_only_what_it_may() {
    let rooms = rooms();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, code) in sources("src") {
        if matches!(name.as_str(), "lib.rs" | "main.rs") {
            continue;
        }
        let own = room(&name);
        seen.insert(own.to_owned());
        let Some(may) = rooms.get(own) else {
            wrong.push(format!("src/{name} lies in a room that is not known: {own}"));
            continue;
        };
        for import in heads(&code, "crate::") {
            if import != own && !may.contains(&import.as_str()) {
                wrong.push(format!("src/{name} imports {import}"));
            }
        }
        // A module inside the file lies one deeper.
        if code.contains(&"super::".repeat(depth(&name) + 1)) {
            wrong.push(format!("src/{name} leaves its room by super::"));
        }
    }
    wrong.extend(rooms.keys().filter(|name| !seen.contains(**name)).map(|name| format!("there is no room {name}")));
    assert_none(wrong);
}

#[test]
fn the_other_crates_use_only_what_they_may() {
    let mut wrong = Vec::new();
    for (member, may) in members() {
        for (name, code) in sources(member) {
            let used = heads(&code, "mlflight::");
            wrong.extend(
                used.iter().filter(|used| !may.contains(&used.as_str())).map(|used| format!("{member}/{name} uses {used}")),
            );
        }
    }
    assert_eq!(heads(&code(&fs::read_to_string(root().join("src/main.rs")).unwrap()), "mlflight::"), ["cli".to_owned()].into());
    assert_none(wrong);
}

#[test]
fn no_flavor_imports_another() {
    let files = sources("src/flavors");
    let flavors: BTreeSet<&str> = files.iter().map(|(name, _)| room(name)).filter(|name| !NO_FLAVORS.contains(name)).collect();
    assert!(flavors.contains("sklearn") && flavors.contains("xgboost"), "{flavors:?}");
    let mut wrong = Vec::new();
    for (name, code) in &files {
        let own = room(name);
        if own == "mod" {
            continue;
        }
        // What `common` imports of a flavor would be imported by all of them.
        let above = "super::".repeat(depth(name));
        let imports = heads(code, &above).into_iter().chain(heads(code, "crate::flavors::"));
        let others = imports.filter(|import| import != own && flavors.contains(import.as_str()));
        wrong.extend(others.map(|other| format!("src/flavors/{name} imports {other}")));
    }
    assert_none(wrong);
}

#[test]
fn every_dependency_is_named_where_it_may_be() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let declared: BTreeSet<&str> = section.lines().map(|line| line.split(['.', ' ']).next().unwrap()).collect();
    let places = dependencies();
    assert_eq!(declared, places.keys().copied().collect(), "the table of this test says where each dependency may be named");
    let files = sources("src");
    let named: Vec<_> = files.iter().map(|(name, code)| (name, first_words(code))).collect();
    let mut wrong = Vec::new();
    for (dependency, places) in places {
        let name_in_code = dependency.replace('-', "_");
        let mut used = false;
        for (name, words) in &named {
            if !words.contains(name_in_code.as_str()) {
                continue;
            }
            used = true;
            let inside =
                |place: &&str| place.is_empty() || **name == format!("{place}.rs") || name.starts_with(&format!("{place}/"));
            if !places.iter().any(inside) {
                wrong.push(format!("src/{name} names {dependency}"));
            }
        }
        if used == places.is_empty() {
            wrong.push(format!("{dependency} is named nowhere, or should not be"));
        }
    }
    for (dependency, home) in BRIDGES {
        for member in ["src"].into_iter().chain(members().into_keys()).filter(|member| *member != home) {
            let users = sources(member).into_iter().filter(|(_, code)| first_words(code).contains(dependency));
            wrong.extend(users.map(|(name, _)| format!("{member}/{name} names {dependency}")));
        }
    }
    assert_none(wrong);
}

#[test]
fn unsafe_stands_only_where_it_is_expected() {
    let mut found = BTreeSet::new();
    for member in ["src"].into_iter().chain(members().into_keys()) {
        for (name, code) in sources(member) {
            if code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe") {
                found.insert(format!("{member}/{name}"));
            }
        }
    }
    assert_eq!(found, UNSAFE.map(str::to_owned).into());
}

#[test]
fn the_check_sees_what_it_looks_for() {
    let source = "use crate::score::Model; use crate::{error::{Error, Kind}, flight::client::X, mlmodel}; // crate::batch::run\n\
                  let text = \"crate::cli::main\"; let raw = r#\"crate::ops::\"#; let quote = '\"'; fn f() { crate::store::path() }";
    let found = heads(&code(source), "crate::");
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), ["error", "flight", "mlmodel", "score", "store"]);
    assert_eq!(first_words("use {tonic::x, other_tonic::y}; ::prost::z"), ["other_tonic", "prost", "tonic"].into());
    assert_eq!((depth("flight/mod.rs"), depth("flight/wire/decode.rs"), depth("error.rs")), (1, 3, 1));
}
