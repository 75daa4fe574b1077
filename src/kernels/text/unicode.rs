//! Which characters are word characters and spaces for Python's `re` and `str`.
//!
//! Word characters are letters, numbers and the underscore; a combining mark ends a word. A character that is newer than the
//! Unicode version of the Python that made the model (15.0 in 3.12) is a word character here, but not there.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

/// Ranges of characters, sorted.
pub(super) struct Characters(Vec<(char, char)>);

impl Characters {
    /// The ranges of a class of the `regex` crate; none where there is no such class.
    pub(super) fn of(class: &str) -> Self {
        match regex_syntax::parse(class).map(|parsed| parsed.into_kind()) {
            Ok(HirKind::Class(Class::Unicode(class))) => {
                Self(class.ranges().iter().map(|range| (range.start(), range.end())).collect())
            }
            _ => Self(Vec::new()),
        }
    }

    pub(super) fn has(&self, character: char) -> bool {
        let after = self.0.partition_point(|range| range.0 <= character);
        after > 0 && character <= self.0[after - 1].1
    }
}

static WORD: LazyLock<Characters> = LazyLock::new(|| Characters::of(r"[\p{L}\p{N}_]"));

/// `\w`
fn is_word(character: char) -> bool {
    match character.is_ascii() {
        true => character.is_ascii_alphanumeric() || character == '_',
        false => WORD.has(character),
    }
}

/// `\s`, and where `str.split` splits.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// The longest runs of at least `least` word characters: what `\b\w\w+\b` matches for 2.
pub(super) fn words(text: &str, least: usize, out: &mut Vec<(usize, usize)>) {
    out.clear();
    let (mut start, mut count) = (0, 0);
    for (at, character) in text.char_indices() {
        if is_word(character) {
            if count == 0 {
                start = at;
            }
            count += 1;
        } else if count > 0 {
            if count >= least {
                out.push((start, at));
            }
            count = 0;
        }
    }
    if count > 0 && count >= least {
        out.push((start, text.len()));
    }
}

/// Several spaces become one; a single one stays what it is.
pub(super) fn single_spaces(text: &str, out: &mut String) {
    out.clear();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let mut several = false;
        while is_space(character) && rest.peek().is_some_and(|next| is_space(*next)) {
            rest.next();
            several = true;
        }
        out.push(if several { ' ' } else { character });
    }
}
