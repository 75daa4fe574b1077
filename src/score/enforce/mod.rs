//! Schema enforcement: the columns that come become the columns the signature declares.
//!
//! Columns are matched by name, in the signature's order; extra columns are dropped and optional ones may be missing. An unnamed
//! signature takes columns by position. One struct column stands for its fields, unless the signature declares a column of its name.
//! Without a signature a native model's own columns are matched by name, and without those every column passes.

mod mlflow;
mod plan;
mod rule;
mod segments;
mod tensor;
mod zone;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::hash_map::Entry, sync::Arc};

use foldhash::{HashMap, HashSet};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StructArray},
    datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef},
};

use plan::{Place, Planned, Rules, plan};
pub(super) use plan::{arrow_type, name};
use rule::{Refusal, Rule};
use segments::Segments;
use zone::Zone;

use super::{Compat, Context, ScoreOptions, numbers};
use crate::{
    error::{Error, Kind, Result},
    mlmodel::{ColumnSpec, ColumnType, SchemaSpec, Signature},
};

/// How the columns of one input schema become the model's input; made once a stream, applied to each batch.
#[derive(Debug)]
pub struct Enforcement {
    columns: Vec<Column>,
    schema: SchemaRef,
    /// The one struct column stands for its fields.
    unwrap: bool,
    /// The columns that come are those the model takes.
    unchanged: bool,
    /// Columns that a model without signature does not know.
    unknown: Vec<String>,
}

#[derive(Debug)]
struct Column {
    source: usize,
    rule: Rule,
}

impl Enforcement {
    /// Matches `input` with the signature (else with the model's own columns, else passes all through). Whatever can be refused
    /// by name or type is refused here.
    pub fn plan(signature: &Signature, model: Option<&Schema>, input: &Schema, options: &ScoreOptions) -> Result<Self> {
        Self::plan_for(signature, model, &|_| true, input, options)
    }

    /// The same for a model that says which types it `reads` as they are; of others it is given the values.
    pub(super) fn plan_for(
        signature: &Signature,
        model: Option<&Schema>,
        reads: &dyn Fn(&DataType) -> bool,
        input: &Schema,
        options: &ScoreOptions,
    ) -> Result<Self> {
        let rules = Rules { compat: options.compat, zone: zone(options.time_zone.as_deref())? };
        let inputs = signature.inputs.as_ref();
        let (fields, unwrap) = match input.fields().iter().as_slice() {
            [only] if !declares(inputs, model, only) => match only.data_type() {
                DataType::Struct(fields) => (fields.clone(), true),
                _ => (input.fields().clone(), false),
            },
            _ => (input.fields().clone(), false),
        };
        let unknown = match (inputs, model) {
            (None, Some(model)) => unknown(&fields, model),
            _ => Vec::new(),
        };
        let planner = Planner { fields: &fields, places: places(&fields), rules, reads, made: Vec::new() };
        let made = match (inputs, model) {
            (Some(SchemaSpec::Columns(specs)), _) if specs.iter().any(|spec| spec.name.is_none()) => {
                planner.by_position(specs)?
            }
            (Some(SchemaSpec::Columns(specs)), _) => planner.by_name(specs)?,
            (Some(SchemaSpec::Tensors(specs)), _) => planner.tensors(specs)?,
            (None, Some(model)) => planner.for_model(model)?,
            (None, None) => planner.all()?,
        };
        let (columns, fields): (Vec<Column>, Vec<_>) = made.into_iter().unzip();
        let schema = Schema::new(fields);
        let kept = columns.iter().enumerate().all(|(at, column)| column.source == at && column.rule.keeps());
        let unchanged = kept && !unwrap && schema.fields == input.fields;
        Ok(Self { columns, unwrap, unchanged, schema: Arc::new(schema), unknown })
    }

    /// Columns of the input that a model without signature was not trained with.
    pub(super) fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// The schema of what [`Enforcement::apply`] returns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Converts a batch of the planned schema. Columns that already match are shared, not copied; a batch of nothing else stays as
    /// it is, its schema's metadata included.
    pub fn apply<'a>(&self, batch: &'a RecordBatch, context: &Context) -> Result<Cow<'a, RecordBatch>> {
        if self.unchanged {
            let planned = self.schema.fields().iter().map(|field| field.data_type());
            debug_assert!(batch.columns().iter().map(|column| column.data_type()).eq(planned));
            return Ok(Cow::Borrowed(batch));
        }
        let frame = self.unwrap.then(|| batch.column(0).as_struct());
        let mut columns = Vec::with_capacity(self.columns.len());
        for (column, field) in self.columns.iter().zip(self.schema.fields()) {
            let made = match frame {
                Some(frame) => column.rule.apply(&member(frame, column.source)?, &Segments::Whole),
                None => column.rule.apply(batch.column(column.source), &Segments::Whole),
            };
            columns.push(made.map_err(|refusal| mismatch(field.name(), refusal))?);
            context.check()?;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(Cow::Owned(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?))
    }

    /// What the conversions of a batch allocate, as far as the types tell.
    pub(super) fn converted_bytes(&self, rows: usize) -> usize {
        let converted = self.columns.iter().zip(self.schema.fields()).filter(|(column, _)| !column.rule.keeps());
        converted.map(|(_, field)| field.data_type().primitive_width().unwrap_or(16).saturating_mul(rows)).sum()
    }
}

/// The names of columns that a model's own do not have.
fn unknown(fields: &Fields, model: &Schema) -> Vec<String> {
    let known: std::collections::HashSet<&str> = model.fields().iter().map(|field| field.name().as_str()).collect();
    let names = fields.iter().map(|field| field.name().as_str());
    names.filter(|name| !known.contains(name)).map(str::to_owned).collect()
}

/// A field of the one struct column; null where the struct is.
fn member(frame: &StructArray, at: usize) -> Result<ArrayRef> {
    if frame.null_count() == 0 {
        return Ok(frame.column(at).clone());
    }
    rule::nulled(frame.column(at), frame).map_err(|refusal| mismatch(frame.fields()[at].name(), refusal))
}

/// Whether the signature (or the model) has a column of this name, so that a lone struct column is meant as that column.
fn declares(inputs: Option<&SchemaSpec>, model: Option<&Schema>, field: &Field) -> bool {
    match inputs {
        Some(SchemaSpec::Columns(specs)) => match specs.as_slice() {
            [ColumnSpec { name: None, kind, .. }] => !is_plain(kind),
            specs => specs.iter().any(|spec| spec.name.as_ref() == Some(field.name())),
        },
        Some(SchemaSpec::Tensors(specs)) => specs.iter().any(|spec| spec.name.as_ref() == Some(field.name())),
        None => model.is_some_and(|model| model.index_of(field.name()).is_ok()),
    }
}

fn is_plain(kind: &ColumnType) -> bool {
    !matches!(kind, ColumnType::Object(_) | ColumnType::Map(_) | ColumnType::Any)
}

fn zone(name: Option<&str>) -> Result<Option<Zone>> {
    let parse = |name: &str| {
        Zone::parse(name).ok_or_else(|| {
            Error::new(Kind::InvalidArgument, "TIME_ZONE", format!("'{name}' is no time zone"))
                .remedy("name an IANA zone (Europe/Berlin) or an offset (+02:00)")
        })
    };
    name.map(parse).transpose()
}

fn mismatch(column: &str, refusal: Refusal) -> Error {
    let column = format!("{column}{}", refusal.path);
    let code = if refusal.row.is_some() { "VALUE_MISMATCH" } else { "TYPE_MISMATCH" };
    let message = match refusal.row {
        Some(_) => format!("the value cannot be converted exactly, {}", refusal.why),
        None => format!("Incompatible input types for column {column}. {}", refusal.why),
    };
    let remedy = format!("cast the column to {} before scoring", refusal.expected);
    let error = Error::new(Kind::InvalidArgument, code, message);
    let error = error.column(column).expected(refusal.expected).found(refusal.found).remedy(remedy);
    match refusal.row {
        Some(row) => error.row(row as u64),
        None => error,
    }
}

type Made = Vec<(Column, FieldRef)>;

/// Where the columns of each name are: the first, and whether there are more.
type Places<'a> = HashMap<&'a str, (usize, bool)>;

/// By hash, so that planning takes time in proportion to the number of columns.
fn places(fields: &Fields) -> Places<'_> {
    let mut places = Places::default();
    places.reserve(fields.len());
    for (at, field) in fields.iter().enumerate() {
        match places.entry(field.name().as_str()) {
            Entry::Vacant(free) => {
                free.insert((at, false));
            }
            Entry::Occupied(mut taken) => taken.get_mut().1 = true,
        }
    }
    places
}

/// Collects the columns of one plan.
struct Planner<'a> {
    fields: &'a Fields,
    places: Places<'a>,
    rules: Rules,
    reads: &'a dyn Fn(&DataType) -> bool,
    made: Made,
}

impl Planner<'_> {
    fn add(&mut self, source: usize, name: &str, planned: Planned) -> Result<()> {
        let planned = match planned {
            Ok((rule, to)) if !(self.reads)(&to) => Ok(with_values(rule, to)),
            other => other,
        };
        let (rule, to) = planned.map_err(|refusal| mismatch(name, refusal))?;
        // What a caller noted on a column goes with it.
        let field = Field::new(name, to, true).with_metadata(self.fields[source].metadata().clone());
        self.made.push((Column { source, rule }, Arc::new(field)));
        Ok(())
    }

    fn find(&self, name: &str) -> Result<Option<usize>> {
        match self.places.get(name) {
            Some((_, true)) => Err(Error::new(Kind::InvalidArgument, "DUPLICATE_COLUMN", "there are two columns of this name")
                .column(name)
                .remedy("rename or drop one of them")),
            Some((at, false)) => Ok(Some(*at)),
            None => Ok(None),
        }
    }

    /// MLflow's text for missing inputs.
    fn check_names(&self, required: &[&str], all: &[&str]) -> Result<()> {
        let missing: Vec<_> = required.iter().filter(|name| !self.places.contains_key(**name)).collect();
        let Some(first) = missing.first() else { return Ok(()) };
        let quoted = |names: &mut dyn Iterator<Item = &str>| names.map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        let mut message = format!("Model is missing inputs [{}].", quoted(&mut missing.iter().map(|name| **name)));
        let all: HashSet<&str> = all.iter().copied().collect();
        let mut extra = self.fields.iter().map(|field| field.name().as_str()).filter(|name| !all.contains(name)).peekable();
        if extra.peek().is_some() {
            message += &format!(" Note that there were extra inputs: [{}].", quoted(&mut extra));
        }
        let error = Error::new(Kind::InvalidArgument, "MISSING_COLUMN", message).column(**first);
        Err(error
            .expected(format!("[{}]", required.join(", ")))
            .found(format!("[{}]", self.fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")))
            .remedy("pass the missing columns, named as in the model's signature"))
    }

    fn by_name(mut self, specs: &[ColumnSpec]) -> Result<Made> {
        let named = |spec: &ColumnSpec| spec.name.clone().unwrap_or_default();
        let all: Vec<String> = specs.iter().map(named).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let required: Vec<&str> = specs.iter().zip(&all).filter(|(spec, _)| spec.required).map(|(_, name)| *name).collect();
        self.check_names(&required, &all)?;
        for (spec, name) in specs.iter().zip(all) {
            if let Some(at) = self.find(name)? {
                let planned = plan(&spec.kind, spec.required, self.fields[at].data_type(), &self.rules, Place::Column);
                self.add(at, name, planned)?;
            }
        }
        Ok(self.made)
    }

    fn by_position(mut self, specs: &[ColumnSpec]) -> Result<Made> {
        if self.fields.len() < specs.len() {
            let message = format!(
                "Model inference is missing inputs. The model signature declares {} inputs but the provided value only has {} \
                 inputs. Note: the inputs were not named in the signature so we can only verify their count.",
                specs.len(),
                self.fields.len()
            );
            return Err(Error::new(Kind::InvalidArgument, "MISSING_COLUMN", message)
                .expected(format!("{} columns", specs.len()))
                .found(format!("{} columns", self.fields.len()))
                .remedy("pass as many columns as the signature declares, in its order"));
        }
        for (at, spec) in specs.iter().enumerate() {
            let planned = plan(&spec.kind, spec.required, self.fields[at].data_type(), &self.rules, Place::Column);
            self.add(at, &at.to_string(), planned)?;
        }
        Ok(self.made)
    }

    fn tensors(mut self, specs: &[crate::mlmodel::TensorSpec]) -> Result<Made> {
        let wide = match specs {
            [spec] if spec.name.is_none() => Some(spec),
            _ => None,
        };
        if let Some(spec) = wide {
            let columns = tensor::unnamed(spec, self.fields.len()).map_err(|refusal| mismatch("0", refusal))?;
            for at in 0..self.fields.len() {
                let field = self.fields[at].clone();
                let strict = self.fields.len() > 1 && self.rules.compat == Compat::Mlflow;
                let planned = if strict {
                    tensor::same(&columns, field.data_type())
                } else {
                    tensor::plan(&columns, field.data_type(), &self.rules)
                };
                self.add(at, field.name(), planned)?;
            }
            return Ok(self.made);
        }
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_deref().unwrap_or_default()).collect();
        self.check_names(&names, &names)?;
        for (spec, name) in specs.iter().zip(names) {
            if let Some(at) = self.find(name)? {
                let planned = tensor::plan(spec, self.fields[at].data_type(), &self.rules);
                self.add(at, name, planned)?;
            }
        }
        Ok(self.made)
    }

    /// A native model's own columns. Floats round as the model's library rounds them; whole numbers must survive.
    fn for_model(mut self, model: &Schema) -> Result<Made> {
        let names: Vec<&str> = model.fields().iter().map(|field| field.name().as_str()).collect();
        self.check_names(&names, &names)?;
        let exact = Rules { compat: Compat::Exact, ..self.rules };
        for (field, name) in model.fields().iter().zip(names) {
            let Some(at) = self.find(name)? else { continue };
            self.add(at, name, own(field.data_type(), self.fields[at].data_type(), &exact))?;
        }
        Ok(self.made)
    }

    /// Every column as it came; in a session, timestamps with a zone as Spark shows them to pandas.
    fn all(mut self) -> Result<Made> {
        for (at, field) in self.fields.iter().enumerate() {
            let planned = match (field.data_type(), self.rules.zone) {
                (DataType::Timestamp(_, Some(_)), Some(zone)) => (Rule::Instant(Some(zone)), rule::INSTANT),
                (other, _) => (Rule::Keep, other.clone()),
            };
            self.add(at, field.name(), Ok(planned))?;
        }
        Ok(self.made)
    }
}

/// The way from a column to the type that a native model's own column has.
fn own(to: &DataType, from: &DataType, rules: &Rules) -> Planned {
    if from == to {
        return Ok((Rule::Keep, to.clone()));
    }
    if let Some(values) = held(from) {
        let (rule, to) = own(to, values, rules)?;
        return Ok((Rule::Values(values.clone(), Box::new(rule)), to));
    }
    if to.is_floating() && numbers::is_number(from) {
        return Ok((Rule::Cast(to.clone()), to.clone()));
    }
    if from.is_null() {
        return Ok((Rule::Nulls(to.clone()), to.clone()));
    }
    match kind_of(to) {
        Some(kind) => plan(&kind, true, from, rules, Place::Column),
        None => Err(Refusal::of_type(to, from, Cow::Borrowed("the model's own type differs"))),
    }
}

/// A rule that ends with the values of what it keeps, of a type that the model does not read.
fn with_values(rule: Rule, to: DataType) -> (Rule, DataType) {
    match rule {
        Rule::Keep => values(&to),
        Rule::Values(held, rule) => {
            let (rule, to) = with_values(*rule, to);
            (Rule::Values(held, Box::new(rule)), to)
        }
        other => (other, to),
    }
}

/// The values of a column whose type the model does not read: those of a dictionary or of runs, and decimals as doubles.
fn values(from: &DataType) -> (Rule, DataType) {
    match held(from) {
        Some(held) => {
            let (rule, to) = values(held);
            (Rule::Values(held.clone(), Box::new(rule)), to)
        }
        None if from.is_decimal() => (Rule::Number(DataType::Float64), DataType::Float64),
        None => (Rule::Keep, from.clone()),
    }
}

/// The type of what a dictionary or run-end encoded column holds.
fn held(from: &DataType) -> Option<&DataType> {
    match from {
        DataType::Dictionary(_, values) => Some(values),
        DataType::RunEndEncoded(_, values) => Some(values.data_type()),
        _ => None,
    }
}

fn kind_of(to: &DataType) -> Option<ColumnType> {
    Some(match to {
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int32 => ColumnType::Integer,
        DataType::Int64 => ColumnType::Long,
        DataType::Utf8 => ColumnType::String,
        DataType::Binary => ColumnType::Binary,
        to if *to == rule::INSTANT => ColumnType::Datetime,
        _ => return None,
    })
}
