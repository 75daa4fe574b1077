//! `mlflight inspect`: what a model says of itself, and how it would be scored. Runs none of its code.

use std::{fmt::Write as _, path::Path};

use serde_json::{Map, Value};

use crate::{
    error::{Error, Result},
    flavors::{self, Engine},
    mlmodel::{MlModel, ParamSpec, SchemaSpec, json},
    store,
};

/// Shows a model's flavors, signature and environment, and says whether it is scored natively or by Python, and why.
///
/// Of a model in another place only the files are downloaded that tell this.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model: a path or a URI.
    model: String,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Files that may describe a model's environment.
const ENVIRONMENT_FILES: [&str; 6] =
    ["python_env.yaml", "conda.yaml", "requirements.txt", "constraints.txt", "uv.lock", "pyproject.toml"];

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    let (report, failure) = report(&args.model)?;
    let text = if args.json { format!("{report:#}\n") } else { as_text(&report) };
    super::print(&text)?;
    failure.map_or(Ok(()), Err)
}

/// What the model says, and why it cannot be scored: such a model is still shown, for that is when one inspects it.
#[cfg(feature = "remote")]
fn report(uri: &str) -> Result<(Value, Option<Error>)> {
    let needed = |directory: &Path| {
        let mlmodel = MlModel::load(directory)?;
        let mut needed = flavors::read_natively(&mlmodel);
        needed.extend(environment_files(&mlmodel)?.into_iter().map(Into::into));
        Ok(needed)
    };
    match store::outline(uri, &needed)? {
        store::Outline::Whole(found) => of_directory(&found),
        store::Outline::Part(part) => described(part.directory.path(), &part.origin, || Ok((None, part.size, part.files))),
    }
}

/// The same of a model on this machine.
#[cfg(not(feature = "remote"))]
fn report(uri: &str) -> Result<(Value, Option<Error>)> {
    of_directory(&store::resolve(uri)?)
}

fn of_directory(found: &store::Resolved) -> Result<(Value, Option<Error>)> {
    store::check(&found.directory)?;
    described(&found.directory, &found.origin, || {
        let (digest, size, files) = store::measure(&found.directory)?;
        Ok((Some(digest), size, files))
    })
}

/// What the model in a directory says, with the digest, size and number of its files as far as they are known.
fn described(
    directory: &Path,
    origin: &str,
    measure: impl FnOnce() -> Result<(Option<store::Digest>, u64, usize)>,
) -> Result<(Value, Option<Error>)> {
    let mlmodel = MlModel::load(directory)?;
    // Files that are refused are not hashed first.
    let (engine, reason, failure) = engine(&mlmodel, directory)?;
    let (digest, size, files) = measure()?;
    let report = serde_json::json!({
        "model": origin,
        "flavors": mlmodel.flavor_names().collect::<Vec<_>>(),
        "engine": engine,
        "reason": reason,
        "globals": flavors::globals(&mlmodel, directory),
        "mlflow_version": mlmodel.mlflow_version(),
        "created": mlmodel.time_created(),
        "run_id": mlmodel.run_id(),
        "signature": {
            "inputs": mlmodel.signature.inputs.as_ref().map(schema),
            "outputs": mlmodel.signature.outputs.as_ref().map(schema),
            "params": mlmodel.signature.params.as_ref().map(|params| params.iter().map(param).collect::<Vec<_>>()),
        },
        "environment": environment(&mlmodel, directory)?,
        "size": size,
        "files": files,
        "digest": digest.as_ref().map(store::Digest::as_str),
    });
    Ok((report, failure))
}

/// Who would score, and why. A model that cannot be scored is still shown: that is when one inspects it.
fn engine(mlmodel: &MlModel, directory: &Path) -> Result<(&'static str, String, Option<Error>)> {
    Ok(match flavors::explain(mlmodel, directory) {
        Ok((Engine::Native, reason)) => ("native", reason, None),
        Ok((_, reason)) => ("python", reason, None),
        // What no command reads.
        Err(error) if matches!(error.code(), "NOT_A_REGULAR_FILE" | "MODEL_TOO_LARGE") => return Err(error),
        Err(error) => ("none", error.to_string(), Some(error)),
    })
}

/// The files that may describe the model's environment.
fn environment_files(mlmodel: &MlModel) -> Result<Vec<String>> {
    let env = mlmodel.python_function()?.unwrap_or_default().env;
    let named = [env.conda, env.virtualenv].into_iter().flatten();
    Ok(named.chain(ENVIRONMENT_FILES.map(str::to_owned)).collect())
}

fn environment(mlmodel: &MlModel, directory: &Path) -> Result<Value> {
    let python = mlmodel.python_function()?.unwrap_or_default();
    let mut files = environment_files(mlmodel)?;
    let mut seen = std::collections::HashSet::new();
    files.retain(|name| seen.insert(name.clone()) && store::within(directory, name).is_ok_and(|path| path.is_file()));
    Ok(serde_json::json!({ "python": python.python_version, "files": files }))
}

fn schema(schema: &SchemaSpec) -> Vec<Value> {
    let kinds: Vec<String> = match schema {
        SchemaSpec::Columns(columns) => columns.iter().map(|column| column.kind.to_string()).collect(),
        SchemaSpec::Tensors(tensors) => {
            tensors.iter().map(|tensor| format!("tensor<{}>{:?}", tensor.dtype, tensor.shape)).collect()
        }
    };
    let entry = |(at, kind)| serde_json::json!({"name": schema.name(at), "type": kind, "required": schema.required(at)});
    kinds.into_iter().enumerate().map(entry).collect()
}

fn param(param: &ParamSpec) -> Value {
    let list = if param.is_list() { "[]" } else { "" };
    let default = json::plain(&param.default);
    serde_json::json!({"name": param.name, "type": format!("{}{list}", param.kind), "default": default})
}

fn as_text(report: &Value) -> String {
    let mut out = String::new();
    let text = |key: &str| report[key].as_str().unwrap_or("unknown").to_owned();
    let names = |value: &Value| {
        let names: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let environment = &report["environment"];
    let python = environment["python"].as_str().map(|version| format!("Python {version}; ")).unwrap_or_default();
    let rows = [
        ("model", text("model")),
        ("flavors", names(&report["flavors"])),
        ("engine", format!("{}: {}", text("engine"), text("reason"))),
        ("refers to", names(&report["globals"])),
        ("mlflow", text("mlflow_version")),
        ("created", text("created")),
        ("environment", format!("{python}{}", names(&environment["files"]))),
        ("size", format!("{} bytes in {} files", report["size"], report["files"])),
        ("digest", report["digest"].as_str().unwrap_or("not known: its files were not all downloaded").to_owned()),
    ];
    for (key, value) in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{key:<12} {}", super::visible(&value));
    }
    for part in ["inputs", "outputs", "params"] {
        let _ = writeln!(out, "{part}:{}", if report["signature"][part].is_null() { " not declared" } else { "" });
        for (at, entry) in report["signature"][part].as_array().into_iter().flatten().filter_map(Value::as_object).enumerate() {
            let _ = writeln!(out, "  {}", super::visible(&line(at, entry)));
        }
    }
    out
}

fn line(at: usize, entry: &Map<String, Value>) -> String {
    let name = entry["name"].as_str().map_or_else(|| at.to_string(), str::to_owned);
    let kind = entry["type"].as_str().unwrap_or_default();
    match (entry.get("default"), entry.get("required")) {
        (Some(default), _) => format!("{name}: {kind} = {default}"),
        (None, Some(Value::Bool(false))) => format!("{name}: {kind} (optional)"),
        (None, _) => format!("{name}: {kind}"),
    }
}
