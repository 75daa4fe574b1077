//! Whether everyone who can score a model gives the same answers: the native kernels, Python workers, and MLflow itself.
//!
//! Each scores the same rows into a Parquet file, as `batch-score` does, and the files are compared value by value.

mod compare;
mod example;
mod mlflow;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

pub use compare::{Difference, FirstDifference, Tolerance};

use crate::{
    batch::{self, Job, Output, Quiet, Subject},
    error::{Error, Kind, Result},
    flavors::{Engine, LoadOptions},
    mlmodel::MlModel,
    models::{LoadedModel, Origin},
    score::{CancelFlag, ScoreOptions},
    store::{self, Resolved},
};

/// What to verify, and how.
#[derive(Debug, Clone)]
pub struct Verification {
    /// The model's URI.
    pub uri: String,
    /// Files of rows to score; the model's own input example where there are none.
    pub data: Vec<String>,
    /// Format of files whose names do not tell.
    pub format: Option<batch::Format>,
    /// How the model is loaded; the engine is each in turn.
    pub load: LoadOptions,
    /// How it scores; the params of the input example are added where none are given.
    pub score: ScoreOptions,
    /// How far two numbers may be apart.
    pub tolerance: Tolerance,
}

/// Who scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scored {
    /// MLflow's own `load_model(…).predict`.
    Mlflow,
    /// Python workers.
    Python,
    /// Native kernels.
    Native,
}

impl Scored {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mlflow => "mlflow",
            Self::Python => "python",
            Self::Native => "native",
        }
    }
}

/// What one of them did.
#[derive(Debug)]
pub struct Run {
    /// Who scored.
    pub by: Scored,
    /// Rows and time, or why it could not.
    pub outcome: Result<Done>,
}

/// What was scored.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    /// Rows.
    pub rows: u64,
    /// From planning to the last answer, without loading the model.
    pub elapsed: Duration,
}

/// Two of them, and where their answers differ.
#[derive(Debug)]
pub struct Comparison {
    /// Who is taken to be right: the first of those who scored.
    pub reference: Scored,
    /// Who is compared with it.
    pub by: Scored,
    /// One for each column of answers that differs.
    pub differences: Vec<Difference>,
}

/// What came out.
#[derive(Debug)]
pub struct Report {
    /// The model's place.
    pub model: String,
    /// What was scored.
    pub data: String,
    /// MLflow, Python and native, in this order.
    pub runs: Vec<Run>,
    /// Every one that scored beside the first that did.
    pub comparisons: Vec<Comparison>,
}

impl Report {
    /// Whether anybody could score.
    pub fn scored(&self) -> bool {
        self.runs.iter().any(|run| run.outcome.is_ok())
    }

    /// Whether no two of those who scored differ.
    pub fn agrees(&self) -> bool {
        self.comparisons.iter().all(|comparison| comparison.differences.is_empty())
    }
}

/// Scores with everyone who can, and compares.
pub fn verify(asked: &Verification, cancel: &CancelFlag) -> Result<Report> {
    let found = store::resolve(&asked.uri)?;
    let mlmodel = MlModel::load(&found.directory)?;
    let scratch =
        tempfile::Builder::new().prefix("mlflight-verify-").tempdir().map_err(|error| Error::io(&std::env::temp_dir(), error))?;
    let (data, described, params) = match asked.data.is_empty() {
        false => (asked.data.clone(), asked.data.join(", "), None),
        true => {
            let example = example::write(&mlmodel, &found.directory, scratch.path())?;
            (vec![example.file.display().to_string()], "the model's input example".to_owned(), example.params)
        }
    };
    let mut score = asked.score.clone();
    if score.params.is_empty() {
        score.params = params.unwrap_or_default();
    }
    let mut runs = Vec::new();
    let mut scored: Vec<(Scored, PathBuf)> = Vec::new();
    for by in [Scored::Mlflow, Scored::Python, Scored::Native] {
        let output = scratch.path().join(format!("{}.parquet", by.name()));
        let outcome = subject(by, asked, &score, &mlmodel, &found, scratch.path()).and_then(|subject| {
            let job = Job {
                format: asked.format,
                partition_columns: !asked.data.is_empty(),
                keep: false,
                ..Job::new(subject, data.clone(), Output::Path(output.clone()))
            };
            let summary = batch::run(&job, cancel, &Quiet)?;
            Ok(Done { rows: summary.rows, elapsed: summary.elapsed })
        });
        match outcome {
            Err(error) if error.kind() == Kind::Cancelled => return Err(error),
            Ok(_) => scored.push((by, output)),
            Err(_) => {}
        }
        runs.push(Run { by, outcome });
    }
    let mut comparisons = Vec::new();
    if let Some(((reference, expected), others)) = scored.split_first() {
        for (by, found) in others {
            let differences = compare::files(expected, found, asked.tolerance)?;
            comparisons.push(Comparison { reference: *reference, by: *by, differences });
        }
    }
    Ok(Report { model: found.origin, data: described, runs, comparisons })
}

/// The model as one of them scores it.
fn subject(
    by: Scored,
    asked: &Verification,
    score: &ScoreOptions,
    mlmodel: &MlModel,
    found: &Resolved,
    scratch: &Path,
) -> Result<Subject> {
    let engine = if by == Scored::Native { Engine::Native } else { Engine::Python };
    let load = LoadOptions { engine, params: score.params.clone(), ..asked.load.clone() };
    let directory = match by {
        Scored::Mlflow => mlflow::stand_in(mlmodel, &found.directory, scratch)?,
        Scored::Python | Scored::Native => found.directory.clone(),
    };
    let model = LoadedModel::load_directory(&directory, &load, Origin::default())?;
    Subject::new(&model, score.clone())
}
