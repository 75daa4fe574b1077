//! Data flows one way: what each room may import is DESIGN.md's table, checked over the sources.

use std::{collections::BTreeMap, fs, path::Path};

fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("error", &[] as &[_]),
        ("file", &["error"]),
        ("config", &["error"]),
        ("store", &["error", "config", "file"]),
        ("mlmodel", &["error", "config", "file"]),
        ("memory", &[]),
        ("formats", &["error"]),
        ("kernels", &["error", "formats", "memory"]),
        ("score", &["error", "mlmodel"]),
        ("python", &["error", "config", "file", "score", "mlmodel", "store"]),
        ("flavors", &["error", "config", "mlmodel", "store", "file", "formats", "kernels", "memory", "python", "score"]),
        ("models", &["error", "config", "flavors", "score", "store", "mlmodel"]),
        ("flight", &["error", "config", "models", "score", "mlmodel", "store", "flavors"]),
        ("batch", &["error", "config", "models", "score", "mlmodel", "store", "flavors"]),
        (
            "cli",
            &[
                "error", "config", "store", "mlmodel", "formats", "kernels", "score", "python", "flavors", "models", "flight",
                "batch",
            ],
        ),
    ])
}

fn imports(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices("crate::") {
        let rest = &source[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            // A group: `use crate::{error::Result, score::{Model}}` names a room wherever the depth is one.
            Some(group) => {
                let (mut depth, mut word) = (1, String::new());
                let mut head = true;
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 || (depth == 1 && c == ',') {
                        found.push(std::mem::take(&mut word).trim().to_owned());
                        head = true;
                        if depth == 0 {
                            break;
                        }
                    } else if depth == 1 && c == ':' {
                        head = false;
                    } else if depth == 1 && head {
                        word.push(c);
                    }
                }
            }
            None => found.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()),
        }
    }
    found
}

fn visit(directory: &Path, check: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, check);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            check(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_room_imports_only_what_it_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms = allowed();
    let mut wrong = Vec::new();
    visit(&root, &mut |path, source| {
        let room = path.strip_prefix(&root).unwrap().components().next().unwrap();
        let room = room.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let Some(may) = rooms.get(room.as_str()) else { return };
        for import in imports(source) {
            if import != room && rooms.contains_key(import.as_str()) && !may.contains(&import.as_str()) {
                wrong.push(format!("{} imports {import}", path.display()));
            }
        }
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_check_sees_plain_and_grouped_imports() {
    let source = "use crate::score::Model; use crate::{error::{Error, Kind}, flight::client::X, mlmodel};";
    assert_eq!(imports(source), ["score", "error", "flight", "mlmodel"]);
}
