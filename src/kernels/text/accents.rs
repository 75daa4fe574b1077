//! Removal of accents as in scikit-learn.

use icu_normalizer::{DecomposingNormalizerBorrowed, properties::CanonicalCombiningClassMapBorrowed};

/// What becomes of accents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accents {
    /// They stay.
    Kept,
    /// Characters are decomposed (NFKD) and combining characters left out.
    Unicode,
    /// Characters are decomposed (NFKD) and all that is not ASCII left out.
    Ascii,
}

impl Accents {
    pub(super) fn strip(self, text: &mut String) {
        if self == Self::Kept || text.is_ascii() {
            return;
        }
        let apart = DecomposingNormalizerBorrowed::new_nfkd().normalize(text);
        let kept: String = match self {
            Self::Ascii => apart.chars().filter(char::is_ascii).collect(),
            _ => {
                let classes = CanonicalCombiningClassMapBorrowed::new();
                apart.chars().filter(|&character| classes.get_u8(character) == 0).collect()
            }
        };
        *text = kept;
    }
}
