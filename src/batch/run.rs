//! One job from its options to the commit of its output.

use std::time::{Duration, Instant};

use super::{job::Job, pipeline::Pipeline, plan::Plan, progress::Progress, read::files, write::target::Target};
use crate::{error::Result, flavors::Engine, score::CancelFlag};

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
#[cfg(feature = "remote")]
pub fn run(job: &Job, cancel: &CancelFlag, progress: &dyn Progress) -> Result<Summary> {
    let started = Instant::now();
    let Some((remote, here)) = super::remote::Remote::of(job, cancel)? else { return run_here(job, cancel, progress) };
    let done = run_here(&here, cancel, progress).and_then(|summary| remote.commit(cancel).map(|()| summary));
    let summary = done.map_err(|error| remote.translate(error))?;
    Ok(Summary { elapsed: started.elapsed(), ..summary })
}

/// Scores a job. On any failure, and when `cancel` is set, nothing is left behind.
#[cfg(not(feature = "remote"))]
pub fn run(job: &Job, cancel: &CancelFlag, progress: &dyn Progress) -> Result<Summary> {
    run_here(job, cancel, progress)
}

/// Scores a job whose files are all on this machine.
fn run_here(job: &Job, cancel: &CancelFlag, progress: &dyn Progress) -> Result<Summary> {
    let started = Instant::now();
    let target = Target::of(job)?;
    let inputs = files::list(&job.input, job.format, job.partition_columns)?;
    let target = target.with_format(job.format.unwrap_or(inputs.format));
    target.refuse_inputs(&inputs)?;
    let stage = target.stage(job.overwrite)?;
    let plan = Plan::of(job, &inputs, &target, cancel)?;
    let (plan, learned) = plan.learn(cancel)?;
    let (source, scorer, budget) = (plan.input.source.clone(), plan.scorer.clone(), plan.budget);
    let writer = plan.writer(stage, &target);
    progress.start(source.total_rows(), source.total_bytes());
    let pipeline = Pipeline {
        source: source.as_ref(),
        scorer: scorer.as_ref(),
        learned: learned.as_ref(),
        writer: &writer,
        budget,
        cancel,
        progress,
    };
    let rows = pipeline.run();
    progress.finish();
    let rows = rows?;
    writer.commit()?;
    Ok(Summary { rows, elapsed: started.elapsed(), engine: job.subject.engine, reason: job.subject.reason.clone() })
}
