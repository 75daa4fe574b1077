//! Checks of what a place lists, before any of it is written to disk.

use std::collections::HashMap;

use super::{place::Entry, walk};
use crate::error::{Error, Kind, Result};

/// The longest name between two `/`, as on the file systems of this machine.
const MAX_NAME: usize = 255;

/// Refuses names that would leave the directory or fall together on some file systems, and more or larger files than a model has.
pub(super) fn check(entries: &[Entry], origin: &str) -> Result<()> {
    let refuse = |code: &'static str, message: String| Err(Error::new(Kind::InvalidModel, code, message).context(origin));
    if entries.len() > walk::MAX_FILES {
        return refuse("TOO_MANY_FILES", format!("{} files, where a model has at most {}", entries.len(), walk::MAX_FILES));
    }
    let bytes = entries.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.size));
    if bytes > walk::MAX_BYTES {
        return refuse("MODEL_TOO_LARGE", format!("{bytes} bytes, where a model has at most {}", walk::MAX_BYTES));
    }
    // Each path above and of a file, in small letters: how it is spelt, and whether it is a file.
    let mut seen: HashMap<String, (&str, bool)> = HashMap::new();
    for Entry { name, .. } in entries {
        if let Some(why) = unfit(name) {
            return refuse("NAME_REFUSED", format!("the listing has the name {name:?}, which {why}"));
        }
        let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
        for end in ends {
            let (path, file) = (&name[..end], end == name.len());
            match seen.insert(path.to_lowercase(), (path, file)) {
                None => {}
                Some((other, was_file)) if other == path && !file && !was_file => {}
                Some((other, _)) => {
                    let message = format!("the listing has both '{other}' and '{path}', which would be one file");
                    return refuse("NAMES_COLLIDE", message);
                }
            }
        }
    }
    Ok(())
}

/// Why a name cannot be that of a file in a model.
fn unfit(name: &str) -> Option<&'static str> {
    let parts = || name.split('/');
    match () {
        () if name.is_empty() => Some("is empty"),
        () if name.starts_with('/') => Some("is an absolute path"),
        () if name.contains('\\') => Some("has a backslash"),
        () if name.chars().any(char::is_control) => Some("has a control character"),
        () if parts().any(|part| part == "..") => Some("leads out of the directory"),
        () if parts().any(|part| part.is_empty() || part == ".") => Some("has an empty part"),
        () if parts().any(|part| part.len() > MAX_NAME) => Some("is too long"),
        () if parts().count() > walk::MAX_DEPTH + 1 => Some("is nested too deep"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(names: &[&str]) -> Option<String> {
        let entry = |name: &&str| Entry { name: (*name).to_owned(), size: 1, version: None };
        let entries: Vec<_> = names.iter().map(entry).collect();
        check(&entries, "s3://bucket/model").err().map(|error| error.code().to_owned())
    }

    #[test]
    fn names_that_would_leave_or_collide_are_refused() {
        assert_eq!(code(&["MLmodel", "data/model.pkl", "data/größe.txt", "data-b", "data/..a"]), None);
        let deep = "d/".repeat(walk::MAX_DEPTH + 1) + "f";
        let long = "n".repeat(256);
        for name in ["", "/etc/passwd", "a\\b", "a\nb", "..", "a/../b", "a//b", "./a", "a/", "a/.", &deep, &long] {
            assert_eq!(code(&["MLmodel", name]).as_deref(), Some("NAME_REFUSED"), "{name:?}");
        }
        for names in [["a", "A"], ["a", "a"], ["a/x", "A/y"], ["a", "a/x"], ["a/x", "a"], ["d/É", "d/é"]] {
            assert_eq!(code(&names).as_deref(), Some("NAMES_COLLIDE"), "{names:?}");
        }
    }

    #[test]
    fn counts_and_sizes_are_bounded() {
        let entry = |at: usize, size| Entry { name: at.to_string(), size, version: None };
        let many: Vec<_> = (0..=walk::MAX_FILES).map(|at| entry(at, 0)).collect();
        assert_eq!(check(&many, "").unwrap_err().code(), "TOO_MANY_FILES");
        assert_eq!(check(&[entry(0, u64::MAX), entry(1, 1)], "").unwrap_err().code(), "MODEL_TOO_LARGE");
    }
}
