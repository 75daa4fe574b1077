//! `SimpleImputer` and `MissingIndicator`

use crate::{
    error::{Error, Kind as ErrorKind, Result},
    flavors::sklearn::base::{
        Allow, Estimator, Made, NONE, Step, Transform, View, Work, expect_width, in_column, is_none, python, refused, validate,
        width,
    },
    formats::objects::Value,
    kernels::block::{Block, Kind},
};

/// What counts as missing.
pub enum Missing {
    Nan,
    /// `None`, which only columns of objects hold.
    None,
    Number(f64),
    Text(f64),
}

impl Missing {
    pub fn new(view: View<'_>) -> Self {
        match view.find("missing_values") {
            Some(found) => match (found.text(), found.number()) {
                (Some(text), _) => Self::Text(view.loader.symbol(text)),
                (_, Some(number)) if !number.is_nan() => Self::Number(number),
                _ => Self::Nan,
            },
            None if view.is_none("missing_values") => Self::None,
            None => Self::Nan,
        }
    }

    pub fn is(&self, kind: Kind, value: f64) -> bool {
        match self {
            Self::Nan => value.is_nan() && kind != Kind::Object,
            Self::None => is_none(kind, value),
            Self::Number(number) => kind != Kind::Symbol && value == *number,
            Self::Text(symbol) => kind == Kind::Symbol && value == *symbol,
        }
    }

    pub fn allow(&self) -> Allow {
        if matches!(self, Self::Nan) { Allow::Missing } else { Allow::Finite }
    }

    /// Refuses what the library refuses in columns that may be of objects: there, NaN unless NaN is the missing value.
    fn check(&self, name: &str, input: &Block, width: usize) -> Result<()> {
        expect_width(name, input, width)?;
        let kinds = input.kinds();
        let numbers = |column: usize| !matches!(kinds[column], Kind::Symbol | Kind::Object);
        if (0..width).all(numbers) {
            if matches!(self, Self::None | Self::Text(_)) && kinds.iter().any(|kind| *kind != Kind::Bool) {
                let message = format!("{name}: columns of numbers cannot hold the missing_values that are no number");
                return Err(Error::new(ErrorKind::InvalidArgument, "TYPE_MISMATCH", message).found("numbers"));
            }
            return validate(name, input, width, self.allow());
        }
        if self.allow() == Allow::Missing {
            return Ok(());
        }
        (0..width).filter(|&column| kinds[column] != Kind::Object).try_for_each(|column| {
            match input.column(column).iter().position(|value| value.is_nan()) {
                Some(row) => Err(refused(name, input, column, row)),
                None => Ok(()),
            }
        })
    }
}

/// The kind of a column for an estimator that converts objects to numbers.
fn number(kind: Kind) -> Kind {
    if kind == Kind::Object { Kind::Double } else { kind }
}

/// What takes the place of a column's missing values.
#[derive(Clone, Copy, PartialEq)]
enum Fill {
    Number(f64),
    Text(f64),
    /// The column had no values in fit and is left out.
    Dropped,
}

struct Simple {
    missing: Missing,
    fills: Vec<Fill>,
    /// Columns for which a further column says where a value was missing.
    indicator: Vec<usize>,
    /// Whether texts are accepted.
    texts: bool,
}

/// `SimpleImputer`
pub fn simple(view: View<'_>) -> Made<Estimator> {
    let keep = view.flag("keep_empty_features");
    let statistics = view.get("statistics_")?;
    let filling = |number: f64| match number.is_nan() && !keep {
        true => Fill::Dropped,
        false => Fill::Number(number),
    };
    let fills: Vec<Fill> = match statistics.array()?.floats() {
        Some(numbers) => numbers.into_iter().map(filling).collect(),
        None => {
            let one = |item: View<'_>| match (item.text(), item.number(), item.value()) {
                (Some(text), ..) => Ok(Fill::Text(view.loader.symbol(text))),
                (_, Some(found), _) => Ok(filling(found)),
                // `None` was the most frequent value.
                (_, _, Value::None) => Ok(Fill::Text(NONE)),
                _ => item.wrong("what to fill in"),
            };
            match statistics.texts() {
                Some(texts) => texts.iter().map(|text| Fill::Text(view.loader.symbol(text))).collect(),
                None => statistics.items().into_iter().map(one).collect::<Made<_>>()?,
            }
        }
    };
    let indicator = match view.find("indicator_") {
        Some(indicator) => features(indicator, fills.len())?,
        None => Vec::new(),
    };
    let texts = matches!(view.word("strategy"), "most_frequent" | "constant");
    if !texts && view.is_none("missing_values") {
        return python("SimpleImputer: missing_values=None among numbers");
    }
    Step::shared(view, None, Simple { missing: Missing::new(view), fills, indicator, texts })
}

pub fn features(indicator: View<'_>, width: usize) -> Made<Vec<usize>> {
    let found = indicator.get("features_")?;
    let features = found.array()?.ints().unwrap_or_default();
    let features: Option<Vec<usize>> = features.into_iter().map(|feature| usize::try_from(feature).ok()).collect();
    match features.filter(|features| features.iter().all(|&feature| feature < width)) {
        Some(features) => Ok(features),
        None => found.wrong("numbers of columns"),
    }
}

impl Transform for Simple {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        match self.texts {
            true => self.missing.check("SimpleImputer", input, self.fills.len())?,
            false => validate("SimpleImputer", input, self.fills.len(), self.missing.allow())?,
        }
        let kept = self.fills.iter().filter(|fill| **fill != Fill::Dropped).count();
        out.reset(input.rows(), kept + self.indicator.len(), Kind::Double);
        let mut to = 0;
        for (at, fill) in self.fills.iter().enumerate() {
            let kind = if self.texts { input.kinds()[at] } else { number(input.kinds()[at]) };
            let absent = || input.column(at).iter().all(|value| value.is_nan());
            let fill = match (*fill, kind) {
                (Fill::Dropped, _) => continue,
                (Fill::Number(number), Kind::Single) => f64::from(number as f32),
                (Fill::Number(number), kind) if kind != Kind::Symbol => number,
                (Fill::Text(symbol), Kind::Symbol) => symbol,
                (Fill::Text(symbol), Kind::Object) if absent() => {
                    out.set_kind(to, Kind::Symbol);
                    let missing = if self.missing.is(Kind::Object, f64::NAN) { symbol } else { NONE };
                    out.column_mut(to).fill(missing);
                    to += 1;
                    continue;
                }
                _ => {
                    let message = "SimpleImputer: text to fill in among numbers, or a number among texts";
                    return Err(Error::new(ErrorKind::Unimplemented, "MIXED_COLUMN", message)
                        .remedy("load the model with engine=\"python\""));
                }
            };
            let kind_out = if self.texts || kind == Kind::Single { kind } else { Kind::Double };
            out.set_kind(to, kind_out);
            for (out, &value) in out.column_mut(to).iter_mut().zip(input.column(at)) {
                *out = if self.missing.is(kind, value) { fill } else { value };
            }
            to += 1;
        }
        for &feature in &self.indicator {
            mark(&self.missing, !self.texts, input, feature, out, to);
            to += 1;
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        self.fills.len() * size_of::<Fill>()
    }
}

pub fn mark(missing: &Missing, as_numbers: bool, input: &Block, feature: usize, out: &mut Block, to: usize) {
    out.set_kind(to, Kind::Bool);
    let kind = if as_numbers { number(input.kinds()[feature]) } else { input.kinds()[feature] };
    for (out, &value) in out.column_mut(to).iter_mut().zip(input.column(feature)) {
        *out = f64::from(u8::from(missing.is(kind, value)));
    }
}

struct Indicator {
    missing: Missing,
    features: Vec<usize>,
    /// Columns that must not have missing values, as they had none in fit.
    complete: Vec<usize>,
    width: usize,
}

/// `MissingIndicator`
pub fn indicator(view: View<'_>) -> Made<Estimator> {
    let width = width(view)?;
    let all = view.word("features") == "all";
    let features = if all { (0..width).collect() } else { features(view, width)? };
    let watched = !all && view.flag("error_on_new");
    let complete = (0..width).filter(|feature| watched && !features.contains(feature)).collect();
    if view.flag("_precomputed") {
        return python("MissingIndicator: of a mask made before");
    }
    Step::shared(view, None, Indicator { missing: Missing::new(view), features, complete, width })
}

impl Transform for Indicator {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        self.missing.check("MissingIndicator", input, self.width)?;
        for &feature in &self.complete {
            let kind = input.kinds()[feature];
            if let Some(row) = input.column(feature).iter().position(|&value| self.missing.is(kind, value)) {
                let message = format!("feature {feature} has missing values in transform but had none in fit");
                let error = Error::new(ErrorKind::InvalidArgument, "MISSING_VALUE", message).row(row as u64);
                return Err(in_column(error, input, feature));
            }
        }
        out.reset(input.rows(), self.features.len(), Kind::Bool);
        for (to, &feature) in self.features.iter().enumerate() {
            mark(&self.missing, false, input, feature, out, to);
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        (self.features.len() + self.complete.len()) * 8
    }
}
