//! `sklearn.feature_extraction.text`: documents as counts of their words, or of runs of words or characters.

use std::{collections::HashSet, sync::Arc};

use foldhash::HashMap;

use crate::{
    error::{Error, Kind as ErrorKind, Result},
    flavors::sklearn::base::{
        Allow, Estimator, Frame, Made, Method, Part, Step, Transform, View, Work, expect_width, python, width,
    },
    kernels::{
        block::{Block, Kind},
        sparse::{self, Sparse},
        text::{Accents, Analyzer, Pattern, Room, Unit, murmur3},
    },
};

/// How many columns features may be hashed to.
const MAX_HASHES: usize = 1 << 24;

/// How many words or characters a feature may have.
const MAX_LENGTH: usize = 64;

/// In which column the occurrences of a feature are counted.
enum Numbering {
    /// Each feature of a vocabulary has its own column; others are not counted.
    Vocabulary(HashMap<String, u32>),
    /// By a hash, which may also give the sign.
    Hash { signed: bool },
}

/// A vectorizer of documents.
struct Vectorizer {
    name: String,
    analyzer: Analyzer,
    numbering: Numbering,
    width: usize,
    binary: bool,
    weighting: Weighting,
}

/// How counts are weighted.
#[derive(Default)]
struct Weighting {
    sublinear: bool,
    /// The inverse document frequency of each column.
    seldom: Option<Vec<f64>>,
    norm: Option<Norm>,
}

#[derive(Clone, Copy)]
enum Norm {
    Sum,
    Euclidean,
}

fn norm(view: View<'_>) -> Made<Option<Norm>> {
    Ok(match view.find("norm").map(|norm| norm.text().unwrap_or("?")) {
        None => None,
        Some("l1") => Some(Norm::Sum),
        Some("l2") => Some(Norm::Euclidean),
        Some(other) => return python(format!("{}: norm '{other}'", view.name())),
    })
}

fn weighting(view: View<'_>, width: usize) -> Made<Weighting> {
    let seldom = match view.flag("use_idf") {
        true => Some(view.floats_of("idf_")?),
        false => None,
    };
    match seldom.as_ref().is_none_or(|seldom| seldom.len() == width) {
        true => Ok(Weighting { sublinear: view.flag("sublinear_tf"), seldom, norm: norm(view)? }),
        false => python(format!("{}: not a weight for every feature", view.name())),
    }
}

fn analyzer(view: View<'_>, fitted: bool) -> Made<Analyzer> {
    view.loader.documents.set(view.loader.documents.get() + 1);
    let unlike = |what: &str| python(format!("{}: {what}", view.name()));
    for option in ["preprocessor", "tokenizer"] {
        if view.find(option).is_some() {
            return unlike(&format!("a {option} of its own"));
        }
    }
    if view.word("input") != "content" {
        return unlike("it reads files");
    }
    if !matches!(view.find("dtype").map(View::class), Some("numpy.int64" | "numpy.float64")) {
        return unlike("of another type than int64 and float64");
    }
    let accents = match view.find("strip_accents").map(|accents| accents.text().unwrap_or("?")) {
        None => Accents::Kept,
        Some("unicode") => Accents::Unicode,
        Some("ascii") => Accents::Ascii,
        Some(other) => return unlike(&format!("strip_accents '{other}'")),
    };
    let range =
        view.get("ngram_range")?.items().into_iter().map(|length| length.int().and_then(|length| usize::try_from(length).ok()));
    let range = range.collect::<Option<Vec<_>>>();
    let (fewest, most) = match range.as_deref() {
        Some(&[fewest, most]) if fewest > 0 && most <= MAX_LENGTH => (fewest, most),
        _ => return unlike("ngram_range is no range of lengths"),
    };
    let unit = match view.word("analyzer") {
        "word" => unit(view)?,
        "char" => Unit::Characters,
        "char_wb" => Unit::Padded,
        _ => return unlike("an analyzer of its own"),
    };
    let words = matches!(unit, Unit::Words(_) | Unit::Matches(_));
    let stopped = match view.find("stop_words").filter(|_| words) {
        None => HashSet::new(),
        // A fitted vocabulary contains none of the library's stop words, so they need not be removed.
        Some(stop) if stop.text() == Some("english") && fitted && most == 1 => HashSet::new(),
        Some(stop) if stop.text().is_some() => return unlike("stop_words='english' is a list of the library's"),
        Some(stop) => match stop.texts() {
            Some(words) => words.into_iter().collect(),
            None => return unlike("stop_words is no list of words"),
        },
    };
    Ok(Analyzer { lowercase: view.flag("lowercase"), accents, unit, fewest, most, stopped })
}

/// The units that the token pattern finds.
fn unit(view: View<'_>) -> Made<Unit> {
    let pattern = view.word("token_pattern");
    let bare = pattern.strip_prefix("(?u)").unwrap_or(pattern);
    let bare = bare.strip_prefix(r"\b").and_then(|bare| bare.strip_suffix(r"\b")).unwrap_or(bare);
    let runs = bare.strip_suffix('+').filter(|bare| !bare.is_empty() && bare.replace(r"\w", "").is_empty());
    match (runs, Pattern::new(pattern)) {
        (Some(runs), _) => Ok(Unit::Words(runs.len() / 2)),
        (None, Some(pattern)) => Ok(Unit::Matches(pattern)),
        (None, None) => python(format!("{}: token_pattern '{pattern}' may mean something else here", view.name())),
    }
}

fn vocabulary(view: View<'_>) -> Made<HashMap<String, u32>> {
    let found = view.get("vocabulary_")?;
    let pair = |(feature, column): (View<'_>, View<'_>)| Some((feature.text()?.to_owned(), u32::try_from(column.int()?).ok()?));
    let features = found.pairs().into_iter().map(pair).collect::<Option<HashMap<_, _>>>();
    match features.filter(|features| features.values().all(|&column| (column as usize) < features.len())) {
        Some(features) if !features.is_empty() => Ok(features),
        _ => found.wrong("a vocabulary"),
    }
}

/// `CountVectorizer`
pub fn counts(view: View<'_>) -> Made<Estimator> {
    vectorizer(view, |_| Ok(Weighting::default()))
}

/// `TfidfVectorizer`
pub fn weighted(view: View<'_>) -> Made<Estimator> {
    vectorizer(view, |width| weighting(view.get("_tfidf")?, width))
}

fn vectorizer(view: View<'_>, weighting: impl FnOnce(usize) -> Made<Weighting>) -> Made<Estimator> {
    let vocabulary = vocabulary(view)?;
    let (analyzer, width) = (analyzer(view, !view.flag("fixed_vocabulary_"))?, vocabulary.len());
    let (weighting, binary) = (weighting(width)?, view.flag("binary"));
    let numbering = Numbering::Vocabulary(vocabulary);
    Ok(Arc::new(Vectorizer { name: view.name().into(), analyzer, numbering, width, binary, weighting }))
}

/// `HashingVectorizer`
pub fn hashed(view: View<'_>) -> Made<Estimator> {
    let (analyzer, width) = (analyzer(view, false)?, view.count_of("n_features")?);
    if !(1..=MAX_HASHES).contains(&width) {
        return python(format!("HashingVectorizer: {width} features"));
    }
    let weighting = Weighting { norm: norm(view)?, ..Weighting::default() };
    let (numbering, binary) = (Numbering::Hash { signed: view.flag("alternate_sign") }, view.flag("binary"));
    Ok(Arc::new(Vectorizer { name: view.name().into(), analyzer, numbering, width, binary, weighting }))
}

impl Vectorizer {
    /// The column of a feature, and what one occurrence counts.
    fn place(&self, feature: &str) -> Option<(u32, f64)> {
        match &self.numbering {
            Numbering::Vocabulary(vocabulary) => vocabulary.get(feature).map(|&column| (column, 1.0)),
            Numbering::Hash { signed } => {
                let hash = murmur3(feature.as_bytes());
                let column = hash.unsigned_abs() as usize % self.width;
                Some((column as u32, if *signed && hash < 0 { -1.0 } else { 1.0 }))
            }
        }
    }

    fn count(&self, document: &str, room: &mut Room, counts: &mut Vec<(u32, f64)>, out: &mut Sparse) {
        counts.clear();
        self.analyzer.each(document, room, |feature| counts.extend(self.place(feature)));
        counts.sort_unstable_by_key(|&(column, _)| column);
        for same in counts.chunk_by(|a, b| a.0 == b.0) {
            let count = if self.binary { 1.0 } else { same.iter().map(|&(_, count)| count).sum() };
            out.push(same[0].0 as usize, count);
        }
        out.end_row();
    }
}

impl Part for Vectorizer {
    fn has(&self, method: Method) -> bool {
        method == Method::Transform
    }

    fn run(&self, _: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        expect_width(&self.name, input, 1)?;
        let out = out.reset_sparse(input.rows(), self.width);
        // Without rows the type of the column may not be known yet.
        if input.rows() > 0 && input.kinds()[0] != Kind::Symbol {
            let message = format!("{} takes documents", self.name);
            return Err(Error::new(ErrorKind::InvalidArgument, "TYPE_MISMATCH", message).expected("text").found("numbers"));
        }
        let (mut room, mut counts) = (Room::default(), Vec::new());
        for row in 0..input.rows() {
            let Some(document) = work.text(input, 0, row)? else {
                let message = "np.nan is an invalid document, expected a string";
                return Err(Error::new(ErrorKind::InvalidArgument, "MISSING_VALUE", message).row(row as u64));
            };
            self.count(document, &mut room, &mut counts, out);
        }
        self.weighting.weigh(out);
        Ok(())
    }

    fn frame(&self) -> Frame {
        Frame { count: Some(1), ..Frame::default() }
    }

    fn sparse_width(&self, _input: Option<usize>) -> Option<usize> {
        Some(self.width)
    }

    fn takes_documents(&self) -> bool {
        true
    }

    fn memory(&self) -> usize {
        let vocabulary = match &self.numbering {
            Numbering::Vocabulary(vocabulary) => vocabulary.keys().map(|feature| feature.len() + 48).sum(),
            Numbering::Hash { .. } => 0,
        };
        vocabulary + self.weighting.memory()
    }
}

impl Weighting {
    fn weigh(&self, out: &mut Sparse) {
        for row in 0..out.rows() {
            let (columns, values) = out.row_mut(row);
            if self.sublinear {
                values.iter_mut().for_each(|value| *value = value.ln() + 1.0);
            }
            if let Some(seldom) = &self.seldom {
                values.iter_mut().zip(columns).for_each(|(value, &column)| *value *= seldom[column as usize]);
            }
            let length = match self.norm {
                None => continue,
                Some(Norm::Sum) => values.iter().map(|value| value.abs()).sum::<f64>(),
                Some(Norm::Euclidean) => values.iter().map(|value| value * value).sum::<f64>().sqrt(),
            };
            if length != 0.0 {
                values.iter_mut().for_each(|value| *value /= length);
            }
        }
    }

    fn memory(&self) -> usize {
        self.seldom.as_ref().map_or(0, |seldom| seldom.len() * 8)
    }
}

/// The weighting of counts that another step computed.
struct Counted {
    weighting: Weighting,
    width: usize,
}

/// `TfidfTransformer`
pub fn transformer(view: View<'_>) -> Made<Estimator> {
    let width = width(view)?;
    Step::shared(view, Some(Allow::Finite), Counted { weighting: weighting(view, width)?, width })
}

impl Transform for Counted {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        let to = out.reset_sparse(input.rows(), self.width);
        for row in 0..input.rows() {
            sparse::add(input, row, 0, 1.0, to);
            to.end_row();
        }
        self.weighting.weigh(to);
        Ok(())
    }

    fn takes_sparse(&self) -> bool {
        true
    }

    fn sparse_width(&self, _input: Option<usize>) -> Option<usize> {
        Some(self.width)
    }

    fn memory(&self) -> usize {
        self.weighting.memory()
    }
}
