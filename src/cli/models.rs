//! `mlflight models`: what the registry has.

use chrono::DateTime;
use serde_json::json;

use crate::{
    error::Result,
    http,
    tracking::{RegisteredModel, Tracking},
};

/// Lists registered models. The registry is that of MLFLOW_REGISTRY_URI, else of MLFLOW_TRACKING_URI.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists all registered models.
    List {
        /// A JSON array instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Lists the registered models whose name holds a text, in any case.
    Search {
        /// The text.
        text: String,
        /// A JSON array instead of a table.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    let (text, json) = match args.command {
        Command::List { json } => (String::new(), json),
        Command::Search { text, json } => (text, json),
    };
    let models = http::block_on(async { Tracking::from_env()?.registry.registered_models(&text).await })??;
    super::print(&if json { as_json(&models) } else { table(&models) })
}

fn as_json(models: &[RegisteredModel]) -> String {
    let object = |model: &RegisteredModel| {
        let aliases: serde_json::Map<_, _> =
            model.aliases.iter().map(|(alias, version)| (alias.clone(), (*version).into())).collect();
        json!({
            "name": model.name,
            "latest_version": model.latest,
            "aliases": aliases,
            "last_updated_timestamp": model.updated,
            "description": model.description,
        })
    };
    format!("{}\n", models.iter().map(object).collect::<serde_json::Value>())
}

fn table(models: &[RegisteredModel]) -> String {
    let row = |model: &RegisteredModel| {
        let aliases: Vec<_> = model.aliases.iter().map(|(alias, version)| format!("@{alias}={version}")).collect();
        let updated = DateTime::from_timestamp_millis(model.updated).map(|time| time.format("%Y-%m-%d %H:%M").to_string());
        let latest = model.latest.map(|version| version.to_string());
        [model.name.clone(), latest.unwrap_or_else(|| "-".into()), updated.unwrap_or_default(), aliases.join(" ")]
    };
    let mut rows = vec![["NAME", "LATEST", "UPDATED (UTC)", "ALIASES"].map(str::to_owned)];
    rows.extend(models.iter().map(row));
    let widths: Vec<usize> = (0..3).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
    let line = |[name, latest, updated, aliases]: &[String; 4]| {
        let text = format!("{name:<0$}  {latest:<1$}  {updated:<2$}  {aliases}", widths[0], widths[1], widths[2]);
        format!("{}\n", text.trim_end())
    };
    rows.iter().map(line).collect()
}
