//! Encoders of categories, texts or numbers.

use foldhash::HashMap;

use crate::{
    error::{Error, Kind as ErrorKind, Result},
    flavors::sklearn::base::{
        Estimator, MAX_WIDTH, Made, Step, Transform, UNKNOWN, View, Work, expect_width, in_column, is_none, python, refused,
    },
    formats::objects::Value,
    kernels::block::{Block, Kind},
};

/// How many columns the sparse output may have.
const MAX_OUTPUTS: usize = 1 << 24;

/// The categories of one column, in the order of their codes.
struct Categories {
    /// The codes of texts, by the number that stands for the text.
    symbols: HashMap<u64, usize>,
    /// The codes of numbers, by their bits; -0.0 is kept as 0.0.
    numbers: HashMap<u64, usize>,
    /// Code of NaN.
    nan: Option<usize>,
    /// Code of `None`.
    none: Option<usize>,
    count: usize,
}

fn bits(value: f64) -> u64 {
    // -0.0 equals 0.0.
    (value + 0.0).to_bits()
}

impl Categories {
    fn new(view: View<'_>) -> Made<Self> {
        let (symbols, numbers) = (HashMap::default(), HashMap::default());
        let mut categories = Self { symbols, numbers, nan: None, none: None, count: 0 };
        if let Some(texts) = view.texts() {
            for text in &texts {
                categories.symbols.insert(bits(view.loader.symbol(text)), categories.count);
                categories.count += 1;
            }
            return Ok(categories);
        }
        let items: Vec<Option<f64>> = match view.array()?.floats() {
            Some(numbers) => numbers.into_iter().map(Some).collect(),
            None => {
                let mut items = Vec::new();
                for item in view.items() {
                    if let Some(text) = item.text() {
                        categories.symbols.insert(bits(view.loader.symbol(text)), items.len());
                        items.push(None);
                        continue;
                    }
                    match item.value() {
                        Value::None => {
                            categories.none = Some(items.len());
                            items.push(None);
                        }
                        _ => items.push(Some(item.number().map_or_else(|| item.wrong("a category"), Ok)?)),
                    }
                }
                items
            }
        };
        for (code, item) in items.iter().enumerate() {
            match item {
                Some(number) if number.is_nan() => categories.nan = Some(code),
                Some(number) => drop(categories.numbers.insert(bits(*number), code)),
                None => {}
            }
        }
        categories.count = items.len();
        Ok(categories)
    }

    fn all(view: View<'_>) -> Made<Vec<Self>> {
        let columns = view.get("categories_")?.items();
        columns.into_iter().map(Self::new).collect()
    }

    /// The code of a value of a column of texts or of numbers.
    fn code(&self, kind: Kind, value: f64) -> Option<usize> {
        if is_none(kind, value) {
            return self.none;
        }
        if value.is_nan() {
            return self.nan;
        }
        let known = if kind == Kind::Symbol { &self.symbols } else { &self.numbers };
        known.get(&bits(value)).copied()
    }

    fn memory(&self) -> usize {
        (self.symbols.len() + self.numbers.len()) * 24
    }
}

/// The error for a value that is no category.
fn unfamiliar(input: &Block, column: usize, row: usize) -> Error {
    let (kind, value) = (input.kinds()[column], input.at(row, column));
    let what = match value {
        _ if is_none(kind, value) => "None".to_owned(),
        _ if value.is_nan() => "NaN".to_owned(),
        UNKNOWN if kind == Kind::Symbol => "a category".to_owned(),
        _ => format!("the category {value}"),
    };
    let message = format!("Found {what} in column {column} that was unknown in fit");
    in_column(Error::new(ErrorKind::InvalidArgument, "UNKNOWN_CATEGORY", message).row(row as u64), input, column)
}

/// Refuses what the library's `check_array` refuses of each column: infinity in a column of floating-point numbers.
fn check(name: &str, input: &Block, width: usize) -> Result<()> {
    expect_width(name, input, width)?;
    (0..width).filter(|&column| !matches!(input.kinds()[column], Kind::Symbol | Kind::Object)).try_for_each(|column| match input
        .column(column)
        .iter()
        .position(|value| value.is_infinite())
    {
        Some(row) => Err(refused(name, input, column, row)),
        None => Ok(()),
    })
}

/// `OneHotEncoder`: for each column and code, the output that is set to 1, if any.
struct OneHot {
    columns: Vec<(Categories, Vec<Option<usize>>)>,
    /// For each column the output for unknown values; `None` where they are an error.
    unknown: Vec<Option<usize>>,
    refuses: bool,
    outputs: usize,
    kind: Kind,
}

/// The codes of the infrequent categories of each column.
fn infrequent(view: View<'_>, columns: usize) -> Made<Vec<Vec<usize>>> {
    let enabled = view.flag("_infrequent_enabled");
    let items = view.find("_infrequent_indices").filter(|_| enabled).map(View::items).unwrap_or_default();
    let codes = |item: View<'_>| match item.value() {
        Value::None => Ok(Vec::new()),
        _ => match item.array()?.ints() {
            Some(codes) => Ok(codes.into_iter().filter_map(|code| usize::try_from(code).ok()).collect()),
            None => item.wrong("codes"),
        },
    };
    let mut codes = items.into_iter().map(codes).collect::<Made<Vec<_>>>()?;
    codes.resize(columns, Vec::new());
    Ok(codes)
}

/// The codes after all infrequent categories were grouped into one, the last.
fn grouped(count: usize, infrequent: &[usize]) -> (Vec<usize>, usize) {
    let mut next = 0;
    let mut seldom = vec![false; count];
    infrequent.iter().filter(|&&code| code < count).for_each(|&code| seldom[code] = true);
    let frequent = seldom.iter().filter(|seldom| !**seldom).count();
    let code = |code: usize| {
        if seldom[code] {
            return frequent;
        }
        next += 1;
        next - 1
    };
    let codes = (0..count).map(code).collect();
    (codes, if infrequent.is_empty() { count } else { frequent + 1 })
}

/// `OneHotEncoder`
pub fn one_hot(view: View<'_>) -> Made<Estimator> {
    let categories = Categories::all(view)?;
    let infrequent = infrequent(view, categories.len())?;
    let handle = view.word("handle_unknown");
    // From 1.3 on the dropped codes are those after grouping.
    let dropped = view.find("_drop_idx_after_grouping").or_else(|| view.find("drop_idx_")).map(View::items).unwrap_or_default();
    if !dropped.is_empty() && dropped.len() != categories.len() {
        return python("OneHotEncoder: not a dropped category for every column");
    }
    let (mut columns, mut unknown, mut outputs) = (Vec::new(), Vec::new(), 0);
    for (at, categories) in categories.into_iter().enumerate() {
        let (codes, count) = grouped(categories.count, &infrequent[at]);
        let drop = dropped.get(at).and_then(|drop| drop.int()).and_then(|drop| usize::try_from(drop).ok());
        let output = |code: usize| match drop {
            Some(drop) if code == drop => None,
            Some(drop) if code > drop => Some(outputs + code - 1),
            _ => Some(outputs + code),
        };
        let seldom = !infrequent[at].is_empty() && matches!(handle, "infrequent_if_exist" | "warn");
        unknown.push(if seldom { output(count - 1) } else { None });
        columns.push((categories, codes.into_iter().map(output).collect()));
        outputs += count - usize::from(drop.is_some_and(|drop| drop < count));
    }
    let kind = match view.find("dtype").map(View::class) {
        Some("numpy.float32") => Kind::Single,
        _ => Kind::Double,
    };
    if outputs > MAX_OUTPUTS || (outputs > MAX_WIDTH && kind == Kind::Single) {
        return python(format!("OneHotEncoder: {outputs} columns"));
    }
    Step::shared(view, None, OneHot { columns, unknown, refuses: handle == "error", outputs, kind })
}

impl OneHot {
    /// The output that a value sets to 1.
    #[inline]
    fn place(&self, input: &Block, at: usize, row: usize, value: f64) -> Result<Option<usize>> {
        let (categories, places) = &self.columns[at];
        match categories.code(input.kinds()[at], value) {
            Some(code) => Ok(places[code]),
            None if self.refuses => Err(unfamiliar(input, at, row)),
            None => Ok(self.unknown[at]),
        }
    }
}

impl Transform for OneHot {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        check("OneHotEncoder", input, self.columns.len())?;
        if self.outputs > MAX_WIDTH {
            let to = out.reset_sparse(input.rows(), self.outputs);
            for row in 0..input.rows() {
                for at in 0..self.columns.len() {
                    if let Some(place) = self.place(input, at, row, input.at(row, at))? {
                        to.push(place, 1.0);
                    }
                }
                to.end_row();
            }
            return Ok(());
        }
        out.reset_zeros(input.rows(), self.outputs, self.kind);
        let stride = out.stride();
        let runs = out.runs_mut();
        for at in 0..self.columns.len() {
            for (row, &value) in input.column(at).iter().enumerate() {
                if let Some(place) = self.place(input, at, row, value)? {
                    runs[place * stride + row] = 1.0;
                }
            }
        }
        Ok(())
    }

    fn sparse_width(&self, _input: Option<usize>) -> Option<usize> {
        (self.outputs > MAX_WIDTH).then_some(self.outputs)
    }

    fn memory(&self) -> usize {
        self.columns.iter().map(|(categories, places)| categories.memory() + places.len() * 16).sum()
    }
}

/// `OrdinalEncoder` and `TargetEncoder`: for each column and code, the numbers that take its place.
struct Lookup {
    columns: Vec<(Categories, Vec<f64>)>,
    /// For each column the number for unknown values; `None` where they are an error.
    unknown: Option<Vec<f64>>,
    /// The column and the table of each output.
    outputs: Vec<(usize, usize)>,
    width: usize,
    name: &'static str,
    kind: Kind,
}

/// `OrdinalEncoder`
pub fn ordinal(view: View<'_>) -> Made<Estimator> {
    let categories = Categories::all(view)?;
    let infrequent = infrequent(view, categories.len())?;
    let missing = view.find("encoded_missing_value").and_then(View::number).unwrap_or(f64::NAN);
    let unknown = match view.word("handle_unknown") {
        "use_encoded_value" => {
            Some(vec![view.find("unknown_value").and_then(View::number).unwrap_or(f64::NAN); categories.len()])
        }
        _ => None,
    };
    let mut columns = Vec::new();
    for (at, categories) in categories.into_iter().enumerate() {
        if categories.nan.is_some() && !infrequent[at].is_empty() {
            return python("OrdinalEncoder: infrequent categories beside missing values");
        }
        let (codes, _) = grouped(categories.count, &infrequent[at]);
        let mut codes: Vec<f64> = codes.into_iter().map(|code| code as f64).collect();
        if let Some(code) = categories.nan {
            codes[code] = missing;
        }
        columns.push((categories, codes));
    }
    let kind = match view.find("dtype").map(View::class) {
        Some("numpy.float32") => Kind::Single,
        Some(name) if name.starts_with("numpy.int") => Kind::Int,
        _ => Kind::Double,
    };
    let width = columns.len();
    let outputs = (0..width).map(|column| (column, column)).collect();
    Step::shared(view, None, Lookup { columns, unknown, outputs, width, name: "OrdinalEncoder", kind })
}

/// `TargetEncoder`
pub fn target(view: View<'_>) -> Made<Estimator> {
    let (categories, encodings) = (Categories::all(view)?, view.get("encodings_")?.items());
    let means = view.floats_of("target_mean_")?;
    // With several classes, each column has one encoding for each class.
    let classes = if view.word("target_type_") == "multiclass" { means.len() } else { 1 };
    if encodings.len() != categories.len() * classes || means.len() != classes {
        return python("TargetEncoder: not an encoding for every column");
    }
    let (mut columns, mut unknown, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
    for (at, encoding) in encodings.into_iter().enumerate() {
        let (column, numbers) = (at / classes, encoding.floats()?);
        if numbers.len() != categories[column].count {
            return python("TargetEncoder: not a number for every category");
        }
        let again = Categories::new(view.get("categories_")?.items()[column])?;
        columns.push((again, numbers));
        unknown.push(means[at % classes]);
        outputs.push((column, at));
    }
    let (width, kind) = (categories.len(), Kind::Double);
    Step::shared(view, None, Lookup { columns, unknown: Some(unknown), outputs, width, name: "TargetEncoder", kind })
}

impl Transform for Lookup {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        check(self.name, input, self.width)?;
        out.reset(input.rows(), self.outputs.len(), self.kind);
        for (output, &(column, table)) in self.outputs.iter().enumerate() {
            let (categories, numbers) = &self.columns[table];
            let kind = input.kinds()[column];
            for (row, (&value, to)) in input.column(column).iter().zip(out.column_mut(output)).enumerate() {
                *to = match (categories.code(kind, value), &self.unknown) {
                    (Some(code), _) => numbers[code],
                    (None, Some(unknown)) => unknown[table],
                    (None, None) => return Err(unfamiliar(input, column, row)),
                };
            }
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        self.columns.iter().map(|(categories, numbers)| categories.memory() + numbers.len() * 8).sum()
    }
}
