//! Patterns of Python's `re` that mean the same to the `regex` crate.

use std::sync::LazyLock;

use regex::Regex;

use super::unicode::Characters;

/// Characters that are word characters for the `regex` crate but not for Python: combining marks, joiners, letters in circles.
static FOREIGN: LazyLock<Characters> = LazyLock::new(|| Characters::of(r"[\w--[\p{L}\p{N}_]]"));

/// Characters that are word characters for Python but not for the `regex` crate: fractions, raised digits, digits in circles.
static OWN: LazyLock<Characters> = LazyLock::new(|| Characters::of(r"[[\p{L}\p{N}_]--\w]"));

/// A pattern, and which of its groups is the match.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    group: usize,
}

impl Pattern {
    /// `None` for a pattern that may mean something else to Python, or that may match an empty text.
    pub fn new(pattern: &str) -> Option<Self> {
        let pattern = pattern.strip_prefix("(?u)").unwrap_or(pattern);
        if !is_common(pattern) {
            return None;
        }
        let shortest = regex_syntax::parse(pattern).ok()?.properties().minimum_len()?;
        let regex = Regex::new(pattern).ok().filter(|regex| shortest > 0 && regex.captures_len() <= 2)?;
        Some(Self { group: regex.captures_len() - 1, regex })
    }

    /// The matches, one after another.
    pub(super) fn find(&self, text: &str, out: &mut Vec<(usize, usize)>) {
        out.clear();
        let alike = alike(text);
        let text = alike.as_deref().unwrap_or(text);
        if self.group == 0 {
            out.extend(self.regex.find_iter(text).map(|found| (found.start(), found.end())));
            return;
        }
        // A group that took no part in a match is an empty text in Python.
        let group = |captures: regex::Captures<'_>| captures.get(1).map_or((0, 0), |group| (group.start(), group.end()));
        out.extend(self.regex.captures_iter(text).map(group));
    }
}

/// The text in which characters that the two treat differently are replaced by others of as many bytes that they treat alike.
fn alike(text: &str) -> Option<String> {
    let other = |character: char| {
        let (separator, foreign) = (('\x1c'..='\x1f').contains(&character), !character.is_ascii() && FOREIGN.has(character));
        Some(match (character.len_utf8(), separator || foreign) {
            (1, true) => '\x0b',
            (2, true) => '¡',
            (3, true) => '※',
            (_, true) => '🀀',
            (1, false) => return None,
            (length, false) if OWN.has(character) => match length {
                2 => 'à',
                3 => 'ἀ',
                _ => '𐐀',
            },
            _ => return None,
        })
    };
    let differs = text.chars().any(|character| other(character).is_some());
    differs.then(|| text.chars().map(|character| other(character).unwrap_or(character)).collect())
}

/// Whether a pattern is made of pieces that mean the same to both: ASCII characters, classes of them, `\w \d \s \b` and their
/// opposites but `\B`, groups, alternatives, and how often.
fn is_common(pattern: &str) -> bool {
    let bytes = pattern.as_bytes();
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let mut at = 0;
    let mut in_class = false;
    while at < bytes.len() {
        let (this, next) = (byte(at), byte(at + 1));
        match (this, in_class) {
            (b'\\', _) => {
                let known = matches!(next, b'w' | b'd' | b's' | b'W' | b'D' | b'S') || (next == b'b' && !in_class);
                if !known && (!next.is_ascii_punctuation() || matches!(next, b'<' | b'>')) {
                    return false;
                }
                at += 1;
            }
            (b'[', false) => {
                in_class = true;
                at += usize::from(next == b'^');
                if byte(at + 1) == b']' {
                    return false;
                }
            }
            (b']', true) => in_class = false,
            // Set operators for the `regex` crate, plain characters for Python.
            (b'[', true) => return false,
            (b'&' | b'-' | b'~', true) if next == this => return false,
            (b'(', false) if next == b'?' => {
                if byte(at + 2) != b':' {
                    return false;
                }
                at += 2;
            }
            (b'^' | b'$', false) => return false,
            // A quantifier after a quantifier is possessive in Python.
            (b'+' | b'*' | b'?' | b'}', false) if matches!(next, b'+' | b'*') => return false,
            (b'{', false) if !next.is_ascii_digit() => return false,
            (b' '..=b'~', _) => {}
            _ => return false,
        }
        at += 1;
    }
    !in_class
}
