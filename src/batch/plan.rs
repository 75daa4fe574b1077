//! Plans a job: which rows are read, who scores them, and which columns the output has.

use std::path::PathBuf;

use super::{
    budget::{Budget, resident},
    job::Job,
    learn::Learned,
    read::{
        self, Input,
        files::InputFiles,
        name_taken,
        options::{Purpose, ReadOptions},
    },
    write::{
        layout::Layout,
        stage::Stage,
        target::Target,
        writer::{OutputFile, Writer},
    },
};
use crate::{
    error::Result,
    score::{CancelFlag, Scorer},
};

/// A planned job.
pub(super) struct Plan {
    pub(super) input: Input,
    /// Scores the rows; `None` where the query that they come from does.
    pub(super) scorer: Option<Scorer>,
    pub(super) budget: Budget,
    layout: Layout,
    /// Names of the output files below an output directory, one for each input file.
    relative: Vec<PathBuf>,
    /// Whether the input's columns are written too.
    keep: bool,
}

impl Plan {
    /// Plans a job. Every file is looked into, but no row is scored.
    pub(super) fn of(job: &Job, inputs: &InputFiles, target: &Target, cancel: &CancelFlag) -> Result<Self> {
        let workers = job.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let budget = Budget::divide(job.memory_limit, resident(), workers, job.sql.is_some())?;
        match &job.sql {
            None => Self::of_files(job, inputs, target, budget, cancel),
            Some(sql) => Self::of_query(job, sql, inputs, target, budget, cancel),
        }
    }

    fn of_files(job: &Job, inputs: &InputFiles, target: &Target, budget: Budget, cancel: &CancelFlag) -> Result<Self> {
        let subject = &job.subject;
        let layout = Layout::of(job, target.format).with_prediction(subject.prediction());
        let relative = if target.directory { target.file_names(inputs)? } else { Vec::new() };
        let options = ReadOptions {
            subject,
            columns: job.columns.as_deref(),
            purpose: if job.keep { Purpose::Output(target.format) } else { Purpose::Predictions },
            reserved: if job.keep { layout.columns() } else { &[] },
            by_file: target.directory,
            delimiter: job.delimiter,
            cancel,
        };
        let input = read::plan(inputs, &options)?;
        let checked = subject.scorer.check(input.source.model_schema());
        checked.map_err(|error| error.context(inputs.files[0].path.display()))?;
        let layout = layout.beside(&input.extra);
        Ok(Self { input, scorer: Some(subject.scorer.clone()), budget, layout, relative, keep: job.keep })
    }

    #[cfg(feature = "sql")]
    fn of_query(job: &Job, sql: &str, inputs: &InputFiles, target: &Target, budget: Budget, cancel: &CancelFlag) -> Result<Self> {
        let scorer = &job.subject.scorer;
        let layout = Layout::of(job, target.format);
        let predicted = layout.clone().with_prediction(job.subject.prediction());
        let query = super::sql::plan(job, sql, inputs, predicted.columns(), &budget, cancel)?;
        let relative = vec![PathBuf::from("part-00000").with_extension(target.format.extension())];
        if query.predicts {
            return Ok(Self { input: query.input, scorer: None, budget, layout, relative, keep: true });
        }
        scorer.check(query.input.source.model_schema()).map_err(|error| error.context("the query's result"))?;
        Ok(Self { input: query.input, scorer: Some(scorer.clone()), budget, layout: predicted, relative, keep: true })
    }

    #[cfg(not(feature = "sql"))]
    fn of_query(
        _job: &Job,
        _sql: &str,
        _inputs: &InputFiles,
        _target: &Target,
        _budget: Budget,
        _cancel: &CancelFlag,
    ) -> Result<Self> {
        use crate::error::{Error, Kind};

        let error = Error::new(Kind::Unimplemented, "NO_SQL", "this build of mlflight has no SQL");
        Err(error.remedy("install the full mlflight wheel"))
    }

    /// Learns the type of the predictions from the first answer, where nothing else tells it. Also returns what was read and scored to learn it.
    pub(super) fn learn(self, cancel: &CancelFlag) -> Result<(Self, Option<Learned>)> {
        let Some(scorer) = self.scorer.as_ref().filter(|scorer| scorer.output().is_none()) else { return Ok((self, None)) };
        let (scorer, learned) = Learned::of(self.input.source.as_ref(), scorer, &self.budget, cancel)?;
        let layout = match scorer.output() {
            Some(field) => self.layout.with_prediction(field),
            None => self.layout,
        };
        if self.keep
            && let Some(name) = layout.columns().iter().find(|name| self.input.names.iter().any(|names| names.contains(name)))
        {
            return Err(name_taken(name));
        }
        Ok((Self { layout, scorer: Some(scorer), ..self }, Some(learned)))
    }

    /// The writer of the output, which is still under its temporary name.
    pub(super) fn writer(self, stage: Option<Stage>, target: &Target) -> Writer {
        let Input { parts, kept, names, source, .. } = self.input;
        let files = match target.directory {
            true => self.relative.into_iter().zip(parts).map(|(relative, parts)| OutputFile { relative, parts }).collect(),
            false => vec![OutputFile { relative: PathBuf::new(), parts: 0..source.parts() }],
        };
        Writer { stage, format: target.format, layout: self.layout, files, kept, names, memory: self.budget.writer }
    }
}
