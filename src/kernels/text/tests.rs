use super::*;

fn analyzer(unit: Unit, lengths: (usize, usize)) -> Analyzer {
    let (fewest, most) = lengths;
    Analyzer { lowercase: true, accents: Accents::Kept, unit, fewest, most, stopped: HashSet::new() }
}

fn features(analyzer: &Analyzer, document: &str) -> Vec<String> {
    let mut found = Vec::new();
    analyzer.each(document, &mut Room::default(), |feature| found.push(feature.to_owned()));
    found
}

#[test]
fn words_are_pythons() {
    let words = analyzer(Unit::Words(2), (1, 1));
    assert_eq!(features(&words, "It's a Day_1, x e-mail"), ["it", "day_1", "mail"]);
    // A combining mark ends a word in Python, a final sigma is one in both.
    assert_eq!(features(&words, "cafe\u{301}s ΟΔΟΣ"), ["cafe", "οδος"]);
    assert_eq!(features(&words, "ab²½ ⅷⅷ ⒶⒷ"), ["ab²½", "ⅷⅷ"]);
}

#[test]
fn words_left_out_let_their_neighbors_meet() {
    let mut pairs = analyzer(Unit::Words(1), (1, 2));
    pairs.stopped = ["of".to_owned()].into();
    assert_eq!(features(&pairs, "end of day"), ["end", "day", "end day"]);
    assert!(features(&pairs, "of").is_empty());
}

#[test]
fn characters_run_over_words_or_keep_to_them() {
    assert_eq!(features(&analyzer(Unit::Characters, (2, 3)), "a \u{1c}é"), ["a ", " é", "a é"]);
    assert_eq!(features(&analyzer(Unit::Padded, (3, 5)), "ab c"), [" ab", "ab ", " ab ", " c "]);
}

#[test]
fn accents_come_off_in_two_ways() {
    let strip = |accents: Accents, text: &str| {
        let mut text = text.to_owned();
        accents.strip(&mut text);
        text
    };
    assert_eq!(strip(Accents::Unicode, "Été ﬁn 語①"), "Ete fin 語1");
    assert_eq!(strip(Accents::Ascii, "Été ﬁn 語①"), "Ete fin 1");
}

#[test]
fn patterns_that_may_differ_are_refused() {
    for pattern in [r"[a-z]+", r"\S+", r"(?u)\b\w[\w'-]*\b", r"\b([^\W\d_]+)\d*", r"(?:ab|c){2,3}?d"] {
        assert!(Pattern::new(pattern).is_some(), "{pattern}");
    }
    for pattern in [
        r"\w+(?=x)",
        r"(?i)a",
        r"a*",
        r"\b",
        r"^a",
        r"a$",
        r"[[:alpha:]]",
        r"[a&&b]",
        r"(a)(b)",
        r"a{,2}b",
        r"a++",
        r"\Ba",
        r"é",
        r"(?P<x>a)",
        r"[]a]",
        r"\pL",
    ] {
        assert!(Pattern::new(pattern).is_none(), "{pattern}");
    }
}

#[test]
fn a_pattern_sees_characters_as_python_does() {
    let find = |pattern: &str, text: &str| features(&analyzer(Unit::Matches(Pattern::new(pattern).unwrap()), (1, 1)), text);
    assert_eq!(find(r"\b\w+\b", "e\u{301}a ⓐb"), ["e", "a", "b"]);
    assert_eq!(find(r"\S+", "a\u{1c}b ⓐ"), ["a", "b", "ⓐ"]);
    assert_eq!(find(r"([a-z]+)\d", "ab1 c2"), ["ab", "c"]);
    assert_eq!(find(r"\b[^\W\d_]+\b", "x²½ ①a 3"), ["x²½", "①a"]);
}

#[test]
fn hashes_are_murmurs() {
    // Of scikit-learn's own murmurhash3_32.
    assert_eq!(
        ["", "a", "foo", "hello world"].map(|text| murmur3(text.as_bytes())),
        [0, 1_009_084_850, -156_908_512, 1_586_663_183]
    );
}
