//! One tree's block.

use std::{ops::Range, str::FromStr};

use super::{
    Child, Linear, Missing, Split, Test, Tree, invalid,
    read::{Lines, words},
};
use crate::error::{Error, Result};

/// How many lines a block may have; LightGBM writes at most 22.
const MAX_LINES: usize = 64;

const CATEGORICAL: u8 = 1;
const MISSING_LEFT: u8 = 2;

/// Reads a block, from after its `Tree=` to the empty line.
pub(super) fn read(lines: &mut Lines<'_>, num_feature: usize) -> Result<Tree> {
    let fields = Fields::read(lines)?;
    let count = fields.one::<usize>("num_leaves")?;
    let leaves = fields.list::<f64>("leaf_value", count)?;
    if count == 0 {
        return Err(invalid("a tree without leaves"));
    }
    let linear = match fields.find("is_linear") {
        Some(_) if fields.one::<u8>("is_linear")? != 0 => linear(&fields, count, num_feature)?,
        _ => Vec::new(),
    };
    let sets = sets(&fields)?;
    let splits = match count {
        1 => Vec::new(),
        _ => splits(&fields, count - 1, num_feature, sets.len())?,
    };
    expect_tree(&splits, count)?;
    Ok(Tree { splits, leaves, sets, linear })
}

/// The lines of a block: key, value, number.
struct Fields<'a>(Vec<(&'a str, &'a str, usize)>);

impl<'a> Fields<'a> {
    fn read(lines: &mut Lines<'a>) -> Result<Self> {
        let mut fields = Vec::new();
        while let Some(line) = lines.take().filter(|line| !line.is_empty()) {
            let (key, value) =
                line.split_once('=').ok_or_else(|| invalid(format!("line {}: expected 'key=value'", lines.number())))?;
            fields.push((key, value, lines.number()));
            if fields.len() > MAX_LINES {
                return Err(invalid(format!("more than {MAX_LINES} lines")));
            }
        }
        Ok(Self(fields))
    }

    /// The value of a key and its line; the last of equal keys counts.
    fn find(&self, key: &str) -> Option<(&'a str, usize)> {
        self.0.iter().rev().find(|(name, ..)| *name == key).map(|(_, value, line)| (*value, *line))
    }

    fn get(&self, key: &str) -> Result<(&'a str, usize)> {
        self.find(key).ok_or_else(|| invalid(format!("there is no '{key}'")))
    }

    fn one<T: FromStr>(&self, key: &str) -> Result<T> {
        let (text, line) = self.get(key)?;
        number(text.trim()).map_err(|error| error.context(format!("line {line}: {key}")))
    }

    /// Exactly `count` numbers. Memory is allocated for the numbers that are in the line, whatever the count says.
    fn list<T: FromStr>(&self, key: &str, count: usize) -> Result<Vec<T>> {
        let (text, line) = self.get(key)?;
        let numbers = words(text).map(number).collect::<Result<Vec<T>>>();
        let wrong = |error: Error| error.context(format!("line {line}: {key}"));
        match numbers.map_err(wrong)? {
            numbers if numbers.len() == count => Ok(numbers),
            numbers => Err(wrong(invalid(format!("{} numbers, expected {count}", numbers.len())))),
        }
    }
}

fn number<T: FromStr>(word: &str) -> Result<T> {
    word.parse().map_err(|_| invalid(format!("'{}' is no number here", word.chars().take(40).collect::<String>())))
}

/// The place of each of several lists in their concatenation.
fn ranges(counts: &[usize]) -> Result<Vec<Range<usize>>> {
    let mut end = 0usize;
    let next = |&count: &usize| {
        let start = end;
        end = end.checked_add(count).ok_or_else(|| invalid("lists longer than memory"))?;
        Ok(start..end)
    };
    counts.iter().map(next).collect()
}

fn linear(fields: &Fields<'_>, leaves: usize, num_feature: usize) -> Result<Vec<Linear>> {
    let constants = fields.list::<f64>("leaf_const", leaves)?;
    let ranges = ranges(&fields.list::<usize>("num_features", leaves)?)?;
    let total = ranges.last().map_or(0, |last| last.end);
    let features = fields.list::<u32>("leaf_features", total)?;
    let coefficients = fields.list::<f64>("leaf_coeff", total)?;
    if let Some(feature) = features.iter().find(|&&feature| feature as usize >= num_feature) {
        return Err(invalid(format!("leaf_features: feature {feature} of {num_feature}")));
    }
    let leaf = |(constant, range): (f64, Range<usize>)| {
        let terms = features[range.clone()].iter().copied().zip(coefficients[range].iter().copied());
        Linear { constant, terms: terms.collect() }
    };
    Ok(constants.into_iter().zip(ranges).map(leaf).collect())
}

fn sets(fields: &Fields<'_>) -> Result<Vec<Vec<u32>>> {
    let count = fields.one::<usize>("num_cat")?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let bounds = fields.list::<usize>("cat_boundaries", count.saturating_add(1))?;
    let words = fields.list::<u32>("cat_threshold", bounds[count])?;
    let set = |pair: &[usize]| match words.get(pair[0]..pair[1]) {
        Some(words) => Ok(words.to_vec()),
        None => Err(invalid(format!("cat_boundaries: from {} to {} of {} words", pair[0], pair[1], words.len()))),
    };
    bounds.windows(2).map(set).collect()
}

fn splits(fields: &Fields<'_>, count: usize, num_feature: usize, sets: usize) -> Result<Vec<Split>> {
    let features = fields.list::<u32>("split_feature", count)?;
    let thresholds = fields.list::<f64>("threshold", count)?;
    let left = fields.list::<i32>("left_child", count)?;
    let right = fields.list::<i32>("right_child", count)?;
    let decisions = match fields.find("decision_type") {
        Some(_) => fields.list::<u8>("decision_type", count)?,
        None => vec![0; count],
    };
    let child = |at: usize, child: i32| match child {
        0.. if (child as usize) < count => Ok(Child::Split(child as u32)),
        ..0 if (!child as usize) <= count => Ok(Child::Leaf(!child as u32)),
        _ => Err(invalid(format!("split {at}: there is no child {child}"))),
    };
    let split = |at: usize| {
        let (feature, decision, threshold) = (features[at], decisions[at], thresholds[at]);
        if feature as usize >= num_feature {
            return Err(invalid(format!("split {at}: feature {feature} of {num_feature}")));
        }
        let missing = match decision >> 2 {
            0 => Missing::None,
            1 => Missing::Zero,
            2 => Missing::Nan,
            _ => return Err(invalid(format!("split {at}: decision type {decision}"))),
        };
        let test = match decision & CATEGORICAL {
            0 => Test::AtMost(threshold),
            _ if (0.0..sets as f64).contains(&threshold) => Test::In(threshold as u32),
            _ => return Err(invalid(format!("split {at}: set {threshold} of {sets}"))),
        };
        let missing_left = decision & MISSING_LEFT != 0;
        Ok(Split { feature, test, missing, missing_left, left: child(at, left[at])?, right: child(at, right[at])? })
    };
    (0..count).map(split).collect()
}

/// Refuses splits that lead to one place twice.
fn expect_tree(splits: &[Split], leaves: usize) -> Result<()> {
    let (mut seen, mut ends) = (vec![false; splits.len()], vec![false; leaves]);
    let mut open = if splits.is_empty() { vec![] } else { vec![Child::Split(0)] };
    while let Some(child) = open.pop() {
        let known = match child {
            Child::Split(at) => {
                open.extend([splits[at as usize].left, splits[at as usize].right]);
                &mut seen[at as usize]
            }
            Child::Leaf(at) => &mut ends[at as usize],
        };
        if std::mem::replace(known, true) {
            return Err(invalid(format!("{child:?}: reached twice, so this is no tree")));
        }
    }
    Ok(())
}
