//! `mlflight verify`: whether native kernels, Python workers and MLflow itself give the same answers.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{batch_threads, interrupt, limits, model_args::RunArgs, values::named};
use crate::{
    batch::Format,
    error::{Error, Kind, Result},
    verify::{self, Comparison, Difference, Report, Tolerance, Verification},
};

/// Scores the model's input example, or other rows, with native kernels, with Python workers and with MLflow where it is installed, and
/// shows where their answers differ.
///
/// Exit code 0 when all who can score agree, 2 when they differ.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model: a directory or a URI
    #[arg(value_name = "MODEL")]
    model: String,

    /// Files of rows to score, directories and globs; may be repeated [default: the model's input example]
    #[arg(short, long, num_args = 1.., value_name = "PATH")]
    data: Vec<String>,

    /// Format of files whose names do not tell
    #[arg(long, value_parser = named::<Format>(Format::ALL.map(Format::extension)))]
    format: Option<Format>,

    /// How far two numbers may be apart, as a part of the larger [default: 1e-9 of doubles, 1e-5 of floats]
    #[arg(long, value_name = "NUMBER", value_parser = tolerance)]
    tolerance: Option<f64>,

    /// One JSON object instead of text
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    run: RunArgs,
}

fn tolerance(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..1.0).contains(number));
    number.ok_or_else(|| "give a number from 0 to 1, such as 1e-9".to_owned())
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<()> {
    limits::require(batch_threads())?;
    let cancel = interrupt::cancel_flag()?;
    let (load, score) = args.run.options()?;
    let tolerance = args.tolerance.map_or_else(Tolerance::default, |near| Tolerance { double: near, float: near });
    let asked = Verification { uri: args.model, data: args.data, format: args.format, load, score, tolerance };
    let report = verify::verify(&asked, &cancel)?;
    let text = if args.json { format!("{:#}\n", as_json(&report)) } else { as_text(&report) };
    super::print(&text)?;
    if !report.scored() {
        return Err(Error::new(Kind::FailedPrecondition, "NOTHING_SCORED", "nobody here can score the model"));
    }
    if report.agrees() {
        return Ok(());
    }
    Err(Error::new(Kind::InvalidArgument, "ANSWERS_DIFFER", format!("the answers differ for {}", report.data)))
}

fn as_json(report: &Report) -> Value {
    let runs = report.runs.iter().map(|run| match &run.outcome {
        Ok(done) => json!({"by": run.by.name(), "rows": done.rows, "seconds": done.elapsed.as_secs_f64()}),
        Err(error) => json!({"by": run.by.name(), "error": error.to_string(), "code": error.code()}),
    });
    let comparisons = report.comparisons.iter().map(|comparison| {
        let differences = comparison.differences.iter().map(|difference| {
            let first = difference.first.as_ref();
            json!({
                "column": difference.column,
                "rows": difference.rows,
                "largest": difference.largest.is_finite().then_some(difference.largest),
                "first": first.map(|first| json!({"row": first.row, "expected": first.expected, "found": first.found})),
                "reason": difference.reason,
            })
        });
        let differences = differences.collect::<Vec<_>>();
        json!({"reference": comparison.reference.name(), "by": comparison.by.name(), "differences": differences})
    });
    json!({
        "model": report.model,
        "data": report.data,
        "agrees": report.agrees(),
        "runs": runs.collect::<Vec<_>>(),
        "comparisons": comparisons.collect::<Vec<_>>(),
    })
}

fn as_text(report: &Report) -> String {
    let mut out = format!("model    {}\ndata     {}\n", report.model, report.data);
    // Writing to a String cannot fail.
    for run in &report.runs {
        let _ = match &run.outcome {
            Ok(done) => writeln!(out, "{:<8} {} rows in {:.3} s", run.by.name(), done.rows, done.elapsed.as_secs_f64()),
            Err(error) => writeln!(out, "{:<8} cannot score: {}", run.by.name(), super::visible(&error.to_string())),
        };
    }
    if report.scored() && report.comparisons.is_empty() {
        out.push_str("nothing to compare: only one of them can score this model here\n");
    }
    for comparison in &report.comparisons {
        let Comparison { reference, by, differences } = comparison;
        let (reference, by) = (reference.name(), by.name());
        if differences.is_empty() {
            let _ = writeln!(out, "{by} agrees with {reference}");
        }
        for difference in differences {
            let _ = writeln!(out, "{by} differs from {reference}: {}", super::visible(&described(difference, reference, by)));
        }
    }
    out
}

fn described(difference: &Difference, reference: &str, by: &str) -> String {
    let column = if difference.column.is_empty() { String::new() } else { format!("column '{}': ", difference.column) };
    let Some(first) = &difference.first else { return format!("{column}{}", difference.reason.as_deref().unwrap_or_default()) };
    let largest = if difference.largest.is_finite() { format!(", at most by {:e}", difference.largest) } else { String::new() };
    format!(
        "{column}{} rows{largest}; first row {}: {reference} {}, {by} {}",
        difference.rows, first.row, first.expected, first.found
    )
}
