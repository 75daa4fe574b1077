//! The model of a job, and which input columns it reads under which names.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::{
    error::{Error, Kind, Result},
    flavors::Engine,
    mlmodel::{SchemaSpec, Signature},
    models::LoadedModel,
    score::{PREDICTION, ScoreOptions, Scorer},
};

/// The model of a job: its scorer and what its signature says of names.
#[derive(Clone)]
pub struct Subject {
    /// Scores the batches.
    pub scorer: Scorer,
    /// The model's signature.
    pub signature: Arc<Signature>,
    /// Who scores, for the summary.
    pub engine: Engine,
    /// Why, for the summary.
    pub reason: String,
}

impl Subject {
    /// The subject that a loaded model makes with these options.
    pub fn new(model: &LoadedModel, options: ScoreOptions) -> Result<Self> {
        Ok(Self {
            scorer: model.scorer(options)?,
            signature: Arc::new(model.mlmodel.signature.clone()),
            engine: model.engine,
            reason: model.reason.clone(),
        })
    }

    /// The declared inputs; `None` without a signature.
    pub(super) fn declared(&self) -> Option<SchemaRef> {
        self.signature.inputs.as_ref().and_then(|_| self.scorer.input())
    }

    /// The columns to feed, in order, where the model says so.
    pub(super) fn expected(&self) -> Option<SchemaRef> {
        match &self.signature.inputs {
            // One tensor without a name takes whatever columns there are.
            Some(SchemaSpec::Tensors(tensors)) if tensors.len() == 1 && tensors[0].name.is_none() => None,
            _ => self.scorer.input(),
        }
    }

    fn by_position(&self) -> bool {
        matches!(&self.signature.inputs, Some(SchemaSpec::Columns(columns)) if columns.iter().all(|column| column.name.is_none()))
    }

    /// The prediction column; of a null type until the first answer tells its own.
    pub(super) fn prediction(&self) -> Field {
        self.scorer.output().unwrap_or_else(|| Field::new(PREDICTION, DataType::Null, true))
    }

    /// Names of the inputs that rows may lack.
    pub(super) fn optional(&self) -> HashSet<&str> {
        match &self.signature.inputs {
            Some(SchemaSpec::Columns(columns)) => {
                columns.iter().filter(|column| !column.required).filter_map(|column| column.name.as_deref()).collect()
            }
            _ => HashSet::new(),
        }
    }

    /// Name of the one declared output, where it has one.
    pub(super) fn output_name(&self) -> Option<&str> {
        match &self.signature.outputs {
            Some(SchemaSpec::Columns(columns)) if columns.len() == 1 => columns[0].name.as_deref(),
            Some(SchemaSpec::Tensors(tensors)) if tensors.len() == 1 => tensors[0].name.as_deref(),
            _ => None,
        }
    }

    /// Selects the model's columns among `input`, the names of the input's columns.
    pub(super) fn select(&self, input: &[String], columns: Option<&[String]>) -> Result<Selection> {
        let expected = self.expected();
        // In reverse, so that the first of several columns of one name is found.
        let places: HashMap<&str, usize> = input.iter().enumerate().rev().map(|(at, name)| (name.as_str(), at)).collect();
        let at = |name: &String| places.get(name.as_str()).copied();
        if let Some(columns) = columns {
            let limit = expected.as_ref().map_or(usize::MAX, |schema| schema.fields().len());
            if columns.len() > limit {
                let message = format!("--columns names {} columns, the model takes {limit}", columns.len());
                return Err(Error::new(Kind::InvalidArgument, "TOO_MANY_COLUMNS", message));
            }
            let pairs = columns.iter().enumerate().map(|(position, name)| {
                let index = at(name).ok_or_else(|| {
                    Error::new(Kind::InvalidArgument, "MISSING_COLUMN", "--columns names a column that the input does not have")
                        .column(name)
                        .remedy(format!("it has {}", list(input)))
                })?;
                let own = expected.as_ref().map_or(name, |schema| schema.field(position).name());
                Ok((index, own.clone()))
            });
            return Ok(Selection { pairs: pairs.collect::<Result<_>>()? });
        }
        let pairs = match expected {
            // Without a signature all columns are given to the model, and the scorer refuses one that it was not trained with.
            _ if self.signature.inputs.is_none() => input.iter().cloned().enumerate().collect(),
            None => input.iter().cloned().enumerate().collect(),
            Some(schema) if self.by_position() => {
                (0..input.len()).zip(schema.fields()).map(|(index, field)| (index, field.name().clone())).collect()
            }
            Some(schema) => {
                schema.fields().iter().filter_map(|field| at(field.name()).map(|index| (index, field.name().clone()))).collect()
            }
        };
        Ok(Selection { pairs })
    }
}

/// The input columns that the model reads, by index, with the name that the model has for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    pairs: Vec<(usize, String)>,
}

impl Selection {
    /// Indices of the columns, in the model's order.
    pub(super) fn indices(&self) -> Vec<usize> {
        self.pairs.iter().map(|(index, _)| *index).collect()
    }

    /// The model's names for each of `width` input columns.
    pub(super) fn names(&self, width: usize) -> Vec<Vec<&str>> {
        let mut names = vec![Vec::new(); width];
        for (at, name) in &self.pairs {
            names[*at].push(name.as_str());
        }
        names
    }

    /// The schema of what the model reads, given the input's schema.
    pub(super) fn schema(&self, input: &Schema) -> SchemaRef {
        let field = |(index, name): &(usize, String)| input.field(*index).clone().with_name(name).with_nullable(true);
        Arc::new(Schema::new(self.pairs.iter().map(field).collect::<Vec<Field>>()))
    }
}

/// Names in quotes, for messages; long lists are cut.
pub(super) fn list(names: &[String]) -> String {
    let mut text = names.iter().take(20).map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    if names.len() > 20 {
        text.push_str(", …");
    }
    text
}
