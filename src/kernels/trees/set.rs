//! Sets of categories.

/// A set of categories: one bit for each category, unless that would take far more memory than a sorted list of the members.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Set {
    Bits(Vec<u64>),
    Sorted(Vec<u32>),
}

impl Default for Set {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Set {
    pub(super) fn new(members: &[u32]) -> Self {
        let words = members.last().map_or(0, |&last| last as usize / 64 + 1);
        if words > 16 + 4 * members.len() {
            return Self::Sorted(members.to_vec());
        }
        let mut bits = vec![0u64; words];
        members.iter().for_each(|&member| bits[member as usize / 64] |= 1 << (member % 64));
        Self::Bits(bits)
    }

    /// Whether a number is a category of this set. NaN, and numbers no category can have, are in none.
    pub(super) fn contains(&self, value: f64) -> bool {
        if !(0.0..4_294_967_296.0).contains(&value) {
            return false;
        }
        let category = value as u32;
        match self {
            Self::Bits(bits) => bits.get(category as usize / 64).is_some_and(|word| word >> (category % 64) & 1 == 1),
            Self::Sorted(members) => members.binary_search(&category).is_ok(),
        }
    }

    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Bits(bits) => bits.len() * 8,
            Self::Sorted(members) => members.len() * 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_sets_take_no_more_memory_than_their_members() {
        let set = Set::new(&[16_777_215]);
        assert!(set.memory() < 64 && set.contains(16_777_215.0) && !set.contains(3.0) && !set.contains(-1.0));
        assert!(Set::new(&[0, 7]).contains(7.9) && Set::new(&[0]).contains(-0.0) && !Set::new(&[0]).contains(f64::NAN));
    }
}
