//! From the text to a [`Model`]: the header, the trees' blocks, and the last line.

use std::collections::HashMap;

use super::{Categories, MAX_OUTPUTS, Model, document::Value, invalid, json, tree, unread};
use crate::error::{Error, Result};

/// The lines of a file.
pub(super) struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    /// The number of the line taken last, from 1.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// The next line, left in place.
    fn peek(&self) -> Option<&'a str> {
        let line = self.rest.split('\n').next().unwrap_or_default();
        (!self.rest.is_empty()).then(|| line.trim_end_matches('\r'))
    }

    /// Takes the next line.
    pub(super) fn take(&mut self) -> Option<&'a str> {
        let line = self.peek()?;
        self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        self.number += 1;
        Some(line)
    }
}

/// Reads the whole file.
pub(super) fn model(text: &str) -> Result<Model> {
    let mut lines = Lines { rest: text, number: 0 };
    if lines.take() != Some("tree") {
        return Err(invalid("line 1: a model of LightGBM begins with a line 'tree'"));
    }
    let header = Header::read(&mut lines);
    header.version()?;
    let num_feature = header.features()?;
    let outputs = header.outputs()?;
    let mut trees = Vec::new();
    while let Some(line) = lines.peek() {
        if line.starts_with("Tree=") {
            lines.take();
            trees.push(tree::read(&mut lines, num_feature).map_err(|error| error.context(line))?);
        } else if line.is_empty() {
            lines.take();
        } else {
            break;
        }
    }
    if lines.take() != Some("end of trees") {
        return Err(invalid(format!("line {}: expected another tree or 'end of trees'", lines.number())));
    }
    let told = header.values.get("tree_sizes").map(|sizes| words(sizes).count());
    if told.is_some_and(|told| told != trees.len()) || !trees.len().is_multiple_of(outputs) {
        return Err(invalid(format!("{} trees for {} in tree_sizes, {outputs} an iteration", trees.len(), told.unwrap_or(0))));
    }
    Ok(Model {
        num_feature,
        outputs,
        objective: header.values.get("objective").map(|&text| text.to_owned()),
        average_output: header.values.contains_key("average_output"),
        trees,
        categories: categories(lines.rest)?,
    })
}

/// The words of a line; several spaces part them as one does.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

/// What stands before the trees.
struct Header<'a> {
    values: HashMap<&'a str, &'a str>,
}

impl<'a> Header<'a> {
    fn read(lines: &mut Lines<'a>) -> Self {
        let mut values = HashMap::new();
        while let Some(line) = lines.peek().filter(|line| !line.starts_with("Tree=") && *line != "end of trees") {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            values.insert(key, value);
            lines.take();
        }
        Self { values }
    }

    fn get(&self, key: &str) -> Result<&'a str> {
        self.values.get(key).copied().ok_or_else(|| invalid(format!("the header has no '{key}'")))
    }

    fn count(&self, key: &str) -> Result<usize> {
        let text = self.get(key)?;
        text.trim().parse().map_err(|_| invalid(format!("{key}: '{}' is no count", text.chars().take(40).collect::<String>())))
    }

    fn version(&self) -> Result<()> {
        match self.values.get("version").copied() {
            Some("v2" | "v3" | "v4") => Ok(()),
            Some(other) => Err(unread(format!("LightGBM's format {}", other.chars().take(40).collect::<String>()))),
            None => Err(unread("a file of LightGBM before 2.1, without a version")),
        }
    }

    /// The number of features, which as many names and descriptions bear out.
    fn features(&self) -> Result<usize> {
        let count = self.count("max_feature_idx")?.saturating_add(1);
        for key in ["feature_names", "feature_infos"] {
            let found = words(self.get(key)?).count();
            if found != count {
                return Err(invalid(format!("{key}: {found} for {count} features")));
            }
        }
        Ok(count)
    }

    fn outputs(&self) -> Result<usize> {
        let classes = self.count("num_class")?;
        let outputs =
            if self.values.contains_key("num_tree_per_iteration") { self.count("num_tree_per_iteration")? } else { classes };
        match outputs {
            1..=MAX_OUTPUTS => Ok(outputs),
            _ => Err(invalid(format!("{outputs} trees an iteration, at most {MAX_OUTPUTS} are supported"))),
        }
    }
}

/// The Python package's last line.
fn categories(text: &str) -> Result<Categories> {
    let last = text.trim_end().rsplit('\n').next().unwrap_or_default();
    let Some(written) = last.strip_prefix("pandas_categorical:") else { return Ok(Categories::None) };
    let wrong = |error: Error| error.context("pandas_categorical");
    let value = json::read(written.as_bytes(), |_| true).map_err(wrong)?;
    if value == Value::Null {
        return Ok(Categories::None);
    }
    let columns = value.list().map_err(wrong)?;
    Ok(match columns.iter().map(|column| column.texts().ok()).collect::<Option<Vec<_>>>() {
        Some(texts) if texts.is_empty() => Categories::None,
        Some(texts) => Categories::Texts(texts),
        None => Categories::Other,
    })
}
