//! One job from planning to commit.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::datatypes::SchemaRef;

use super::{
    Format, Job, Output,
    budget::{Budget, resident},
    encode::Layout,
    inputs::{self, InputFile},
    learn::Learned,
    parquet::ParquetSource,
    pipeline::{Encode, Pipeline},
    progress::Progress,
    sink::{ParquetSink, Sink, StdoutSink, TextSink},
    source::{OutputFile, Source, Wants, names},
    splice::{SpliceSink, can_splice},
    stage::Stage,
    text::TextSource,
};
use crate::{
    error::{Error, Kind, Result},
    flavors::Engine,
    score::{CancelFlag, Scorer},
};

/// What a run did.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Rows written.
    pub rows: u64,
    /// Time from planning to commit.
    pub elapsed: Duration,
    /// Who scored.
    pub engine: Engine,
    /// Why.
    pub reason: String,
}

/// Scores a job. On any failure, and when `cancel` is set, nothing is left behind.
pub fn run(job: &Job, cancel: &CancelFlag, progress: &dyn Progress) -> Result<Summary> {
    let started = Instant::now();
    let target = Target::of(job)?;
    let (files, format) = inputs::list(&job.input, job.format, job.partition_columns)?;
    let target = target.with_format(job.format.unwrap_or(format));
    let stage = match &target.path {
        Some(path) => Some(Stage::new(path, target.directory, job.overwrite)?),
        None => None,
    };
    let plan = plan(job, &files, format, &target, cancel)?.learn(job, cancel)?;
    let rows = plan.run(&target, stage.as_ref(), cancel, progress)?;
    if let Some(stage) = stage {
        stage.commit()?;
    }
    Ok(Summary { rows, elapsed: started.elapsed(), engine: job.subject.engine, reason: job.subject.reason.clone() })
}

/// Where the rows go, and in which form.
pub(super) struct Target {
    path: Option<PathBuf>,
    pub(super) directory: bool,
    pub(super) format: Format,
}

impl Target {
    fn of(job: &Job) -> Result<Self> {
        let (path, format) = match &job.output {
            Output::Stdout => (None, Some(Format::Csv)),
            Output::Path(path) => (Some(path.clone()), Format::of(path)),
        };
        if path.as_deref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err(Error::new(Kind::InvalidArgument, "BAD_OUTPUT", "--output is empty"));
        }
        Ok(Self { path, directory: format.is_none(), format: format.unwrap_or(Format::Parquet) })
    }

    fn with_format(self, format: Format) -> Self {
        if self.directory { Self { format, ..self } } else { self }
    }
}

/// A planned job.
pub(super) struct Plan {
    pub(super) source: Arc<dyn Source>,
    pub(super) layout: Layout,
    pub(super) outputs: Vec<OutputFile>,
    /// The input's columns that are written as values.
    pub(super) carried: Option<SchemaRef>,
    /// Names of the input's columns, for a CSV header: of each output, or once for all.
    pub(super) names: Vec<Vec<String>>,
    /// Set when the input's column chunks are copied.
    pub(super) splice: Option<Arc<ParquetSource>>,
    /// Scores the rows; `None` where the query that they come from does.
    pub(super) scorer: Option<Scorer>,
    /// What was read and scored to learn the type of the predictions.
    pub(super) learned: Option<Learned>,
    pub(super) budget: Budget,
}

fn plan(job: &Job, files: &[InputFile], format: Format, target: &Target, cancel: &CancelFlag) -> Result<Plan> {
    let workers = job.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let budget = Budget::divide(job.memory_limit, resident(), workers, job.sql.is_some())?;
    let subject = &job.subject;
    let alone = subject.output_name();
    let layout = Layout::new(target.format, Some(subject.prediction()), &job.prediction, job.keep, alone)
        .separated(job.delimiter.unwrap_or(b','));
    let reserved: &[String] = if job.keep { layout.columns() } else { &[] };
    if let Some(sql) = &job.sql {
        return query(job, sql, files, format, target, budget, cancel);
    }
    let relative = if target.directory { inputs::distinct(files, target.format)? } else { Vec::new() };
    let wants = Wants {
        subject,
        columns: job.columns.as_deref(),
        carry: false,
        reserved,
        table: false,
        by_file: target.directory,
        delimiter: job.delimiter,
        cancel,
    };
    let plan = if format == Format::Parquet {
        let source = ParquetSource::plan(files, &wants)?;
        let copy = job.keep
            && target.format == Format::Parquet
            && source.files.iter().all(|file| can_splice(file))
            && (target.directory || source.alike());
        let source = Arc::new(if job.keep && !copy { source.carrying()? } else { source });
        let outputs = match target.directory {
            true => source.outputs(&relative),
            false => vec![OutputFile { relative: PathBuf::new(), parts: 0..source.parts() }],
        };
        let layout = layout.beside(&source.extra());
        let carried = source.carried().cloned();
        let names = vec![carried.as_deref().map(names).unwrap_or_default()];
        Plan {
            splice: copy.then(|| source.clone()),
            source,
            layout,
            outputs,
            carried,
            names,
            scorer: Some(subject.scorer.clone()),
            learned: None,
            budget,
        }
    } else {
        let same = format == target.format;
        let source = TextSource::plan(files, format, &Wants { carry: job.keep && !same, ..wants })?;
        let source = if same && !target.directory { source.in_one_order() } else { source };
        let part = |(part, relative): (usize, &PathBuf)| OutputFile { relative: relative.clone(), parts: part..part + 1 };
        let outputs = match target.directory {
            true => relative.iter().enumerate().map(part).collect(),
            false => vec![OutputFile { relative: PathBuf::new(), parts: 0..source.parts() }],
        };
        let layout = layout.beside(&source.extra());
        let carried = source.carried().cloned();
        // Records that stay as they are have the columns of their file.
        let names = if same && target.directory { source.names_by_file() } else { vec![source.names().to_vec()] };
        let scorer = Some(subject.scorer.clone());
        Plan { source: Arc::new(source), layout, outputs, carried, names, splice: None, scorer, learned: None, budget }
    };
    subject.scorer.check(plan.source.model_schema()).map_err(|error| error.context(files[0].path.display()))?;
    Ok(plan)
}

#[cfg(feature = "sql")]
fn query(
    job: &Job,
    sql: &str,
    files: &[InputFile],
    format: Format,
    target: &Target,
    budget: Budget,
    cancel: &CancelFlag,
) -> Result<Plan> {
    let scorer = &job.subject.scorer;
    let delimiter = job.delimiter.unwrap_or(b',');
    let prediction = Some(job.subject.prediction());
    let layout = Layout::new(target.format, prediction, &job.prediction, true, None).separated(delimiter);
    let source = super::sql::QuerySource::plan(job, sql, files, format, layout.columns(), &budget, cancel)?;
    let scores = !source.predicts;
    let alone = || Layout::new(target.format, None, &job.prediction, true, None).separated(delimiter);
    let layout = if scores { layout } else { alone() };
    let name = PathBuf::from("part-00000").with_extension(target.format.extension());
    let relative = if target.directory { name } else { PathBuf::new() };
    if scores {
        scorer.check(source.model_schema()).map_err(|error| error.context("the query's result"))?;
    }
    let (carried, names) = (Some(source.schema().clone()), vec![names(source.schema())]);
    let outputs = vec![OutputFile { relative, parts: 0..1 }];
    let scorer = scores.then(|| scorer.clone());
    Ok(Plan { source: Arc::new(source), layout, outputs, carried, names, splice: None, scorer, learned: None, budget })
}

#[cfg(not(feature = "sql"))]
fn query(
    _job: &Job,
    _sql: &str,
    _files: &[InputFile],
    _format: Format,
    _target: &Target,
    _budget: Budget,
    _cancel: &CancelFlag,
) -> Result<Plan> {
    Err(Error::new(Kind::Unimplemented, "NO_SQL", "this build of mlflight has no SQL").remedy("install the full mlflight wheel"))
}

impl Plan {
    /// Learns the type of the predictions from the first answer, where nothing else tells it.
    fn learn(self, job: &Job, cancel: &CancelFlag) -> Result<Self> {
        let Some(scorer) = self.scorer.as_ref().filter(|scorer| scorer.output().is_none()) else { return Ok(self) };
        let (scorer, learned) = Learned::of(self.source.as_ref(), scorer, &self.budget, cancel)?;
        let alone = if job.sql.is_some() { None } else { job.subject.output_name() };
        let layout = match scorer.output() {
            Some(field) => self.layout.with(field, alone),
            None => self.layout,
        };
        if job.keep
            && let Some(name) = layout.columns().iter().find(|name| self.names.iter().any(|names| names.contains(name)))
        {
            return Err(super::json::taken(name));
        }
        Ok(Self { layout, scorer: Some(scorer), learned: Some(learned), ..self })
    }

    fn run(&self, target: &Target, stage: Option<&Stage>, cancel: &CancelFlag, progress: &dyn Progress) -> Result<u64> {
        let layout = self.layout.clone();
        let encode: Box<Encode> = match &self.splice {
            Some(_) => Box::new(move |rows, prediction| match prediction {
                Some(prediction) => layout.alone(&rows, prediction.clone()),
                None => Err(Error::new(Kind::Internal, "NO_PREDICTION", "rows were not scored")),
            }),
            None => Box::new(move |rows, prediction| layout.encode(rows, prediction)),
        };
        progress.start(self.source.total_rows(), self.source.total_bytes());
        let pipeline = Pipeline {
            source: self.source.as_ref(),
            scorer: self.scorer.as_ref(),
            learned: self.learned.as_ref(),
            encode: encode.as_ref(),
            budget: self.budget,
            cancel,
            progress,
        };
        let rows = pipeline.run(&self.outputs, &mut |output| self.open(output, target, stage));
        progress.finish();
        rows
    }

    fn open(&self, output: &OutputFile, target: &Target, stage: Option<&Stage>) -> Result<Box<dyn Sink>> {
        let at = self.outputs.iter().position(|other| other == output).unwrap_or(0);
        let header = || self.layout.header(self.names.get(at).unwrap_or(&self.names[0]));
        let Some(stage) = stage else {
            let mut out = std::io::stdout();
            std::io::Write::write_all(&mut out, &header())
                .map_err(|error| super::sink::write_failed(Path::new("standard output"), error))?;
            return Ok(Box::new(StdoutSink(out)));
        };
        let (file, path) = stage.create(&output.relative)?;
        Ok(match (target.format, &self.splice) {
            (Format::Csv, _) => Box::new(TextSink::new(file, path, &header(), self.budget.writer)?),
            (Format::Json, _) => Box::new(TextSink::new(file, path, b"", self.budget.writer)?),
            (Format::Parquet, Some(source)) => {
                // A file without row groups is found by its place.
                let like = source.files.get(at).unwrap_or(&source.files[0]).clone();
                let prediction = self.layout.schema(None);
                Box::new(SpliceSink::new(file, path, source.clone(), &like, prediction, stage.scratch(), self.budget.writer)?)
            }
            (Format::Parquet, None) => {
                let schema = self.layout.schema(self.carried.as_ref());
                Box::new(ParquetSink::new(file, path, &schema, stage.scratch(), self.budget.writer)?)
            }
        })
    }
}
