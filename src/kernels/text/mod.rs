//! Documents become the words, and runs of words or characters, that scikit-learn's vectorizers count.

mod accents;
mod hash;
mod pattern;
mod unicode;

pub use accents::Accents;
pub use hash::murmur3;
pub use pattern::Pattern;

use std::collections::HashSet;

/// The units that a document is split into.
#[derive(Debug)]
pub enum Unit {
    /// Words: runs of at least this many word characters.
    Words(usize),
    /// The matches of a pattern.
    Matches(Pattern),
    /// Characters.
    Characters,
    /// Characters of words, with a space before and after each word.
    Padded,
}

/// How documents are prepared and split, and how many units make one feature.
#[derive(Debug)]
pub struct Analyzer {
    /// Whether documents are lowercased first.
    pub lowercase: bool,
    /// What becomes of accents.
    pub accents: Accents,
    /// The units that a document is split into.
    pub unit: Unit,
    /// The fewest units of a feature, at least 1.
    pub fewest: usize,
    /// The most units of a feature.
    pub most: usize,
    /// Stop words, left out before words are joined to features.
    pub stopped: HashSet<String>,
}

/// Working memory.
#[derive(Debug, Default)]
pub struct Room {
    text: String,
    joined: String,
    ranges: Vec<(usize, usize)>,
}

impl Analyzer {
    /// Calls `each` for every feature of a document, as often as it occurs.
    pub fn each(&self, document: &str, room: &mut Room, mut each: impl FnMut(&str)) {
        room.text.clear();
        match self.lowercase {
            true if document.is_ascii() => {
                room.text.push_str(document);
                room.text.make_ascii_lowercase();
            }
            true => room.text.push_str(&document.to_lowercase()),
            false => room.text.push_str(document),
        }
        self.accents.strip(&mut room.text);
        match &self.unit {
            Unit::Words(least) => {
                unicode::words(&room.text, *least, &mut room.ranges);
                self.sequences(room, &mut each);
            }
            Unit::Matches(pattern) => {
                pattern.find(&room.text, &mut room.ranges);
                self.sequences(room, &mut each);
            }
            Unit::Characters => {
                unicode::single_spaces(&room.text, &mut room.joined);
                boundaries(&room.joined, &mut room.ranges);
                let count = room.ranges.len();
                for length in self.fewest..=self.most.min(count) {
                    for run in room.ranges.windows(length) {
                        each(&room.joined[run[0].0..run[length - 1].1]);
                    }
                }
            }
            Unit::Padded => {
                for word in room.text.split(unicode::is_space).filter(|word| !word.is_empty()) {
                    room.joined.clear();
                    room.joined.extend([" ", word, " "]);
                    boundaries(&room.joined, &mut room.ranges);
                    for length in self.fewest..=self.most {
                        // A word that is shorter counts once, as a whole.
                        if room.ranges.len() <= length {
                            each(&room.joined);
                            break;
                        }
                        for run in room.ranges.windows(length) {
                            each(&room.joined[run[0].0..run[length - 1].1]);
                        }
                    }
                }
            }
        }
    }

    /// Joins consecutive words to features.
    fn sequences(&self, room: &mut Room, each: &mut impl FnMut(&str)) {
        let Room { text, joined, ranges } = room;
        if !self.stopped.is_empty() {
            ranges.retain(|&(start, end)| !self.stopped.contains(&text[start..end]));
        }
        for length in self.fewest..=self.most.min(ranges.len()) {
            if length == 1 {
                ranges.iter().for_each(|&(start, end)| each(&text[start..end]));
                continue;
            }
            for run in ranges.windows(length) {
                joined.clear();
                for (place, &(start, end)) in run.iter().enumerate() {
                    if place > 0 {
                        joined.push(' ');
                    }
                    joined.push_str(&text[start..end]);
                }
                each(joined);
            }
        }
    }
}

/// Where each character begins and ends.
fn boundaries(text: &str, out: &mut Vec<(usize, usize)>) {
    out.clear();
    out.extend(text.char_indices().map(|(start, character)| (start, start + character.len_utf8())));
}

#[cfg(test)]
mod tests;
