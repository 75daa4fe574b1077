//! The model itself: its files, and its `MLmodel` as it is to be there.

use std::{io::Write, path::PathBuf};

use serde_json::json;

use super::{
    options::{LogOptions, Logged},
    register, upload,
};
use crate::{
    error::{Error, Kind, Result},
    mlmodel::{MLMODEL, MlModel, Value},
    store::{self, Entry, Place},
    tracking::{LoggedModel, NewLoggedModel, Pairs, Run, Tracking},
};

/// A model's directory as it is.
pub(super) struct Model {
    directory: PathBuf,
    mlmodel: MlModel,
    /// All files but `MLmodel`.
    files: Vec<Entry>,
}

impl Model {
    pub(super) fn open(directory: &std::path::Path) -> Result<Self> {
        let mlmodel = MlModel::load(directory)?;
        let mut files = store::listed(directory)?;
        files.retain(|file| file.name != MLMODEL);
        Ok(Self { directory: directory.to_owned(), mlmodel, files })
    }

    /// Sends the files; `MLmodel` with these keys comes last, for a directory without it is no model.
    async fn send(&self, place: &dyn Place, keys: &[(&str, &str)]) -> Result<MlModel> {
        upload::files(place, &self.directory, &self.files).await?;
        let mut mlmodel = self.mlmodel.clone();
        for (key, value) in keys {
            mlmodel.rest.insert(Value::from(*key), Value::from(*value));
        }
        let failed = |error| Error::io(&std::env::temp_dir(), error);
        let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
        file.write_all(mlmodel.to_yaml()?.as_bytes()).and_then(|()| file.flush()).map_err(failed)?;
        place.write(MLMODEL, file.path()).await?;
        Ok(mlmodel)
    }
}

pub(super) async fn log(known: &Tracking, run: &Run, model: &Model, options: &LogOptions) -> Result<Logged> {
    if options.name.is_empty() {
        return Err(Error::new(Kind::InvalidArgument, "NAME_INVALID", "a model is logged by a name, and this one is empty"));
    }
    let begun = NewLoggedModel {
        experiment_id: run.experiment_id.clone(),
        name: options.name.clone(),
        source_run_id: run.id.clone(),
        params: merged(&options.params, &run.params),
        tags: options.tags.clone(),
    };
    let mut logged = match known.tracking.create_logged_model(&begun).await? {
        Some(begun) => as_entity(known, run, model, options, begun).await?,
        None => as_artifacts(known, run, model, options).await?,
    };
    if let Some(name) = &options.registered_model_name {
        logged.registered_model_version = Some(register::register(known, &logged, name, options).await?);
    }
    Ok(logged)
}

/// The form of MLflow 3.
async fn as_entity(known: &Tracking, run: &Run, model: &Model, options: &LogOptions, begun: LoggedModel) -> Result<Logged> {
    let LoggedModel { id, artifact_uri, .. } = begun;
    let sent = async {
        let place = store::writable(&artifact_uri, &known.tracking).await?;
        let keys = [
            ("artifact_path", artifact_uri.as_str()),
            ("run_id", run.id.as_str()),
            ("model_id", id.as_str()),
            ("model_uuid", id.as_str()),
        ];
        model.send(&*place, &keys).await
    };
    if let Err(error) = sent.await {
        if let Err(more) = known.tracking.finish_logged_model(&id, false).await {
            tracing::warn!(model = id, "the model could not be marked as failed: {more}");
        }
        return Err(error.context(format!("logged model '{id}', which has failed")));
    }
    known.tracking.finish_logged_model(&id, true).await?;
    known.tracking.add_output(&run.id, &id).await?;
    Ok(Logged {
        model_uri: format!("models:/{id}"),
        model_id: Some(id),
        run_id: run.id.clone(),
        artifact_path: options.name.clone(),
        artifact_uri,
        registered_model_version: None,
    })
}

/// The form of MLflow 2 and older.
async fn as_artifacts(known: &Tracking, run: &Run, model: &Model, options: &LogOptions) -> Result<Logged> {
    let artifact_uri = store::join(&run.artifact_uri, options.name.trim_matches('/'));
    let place = store::writable(&artifact_uri, &known.tracking).await?;
    let mlmodel = model.send(&*place, &[("artifact_path", &options.name), ("run_id", &run.id)]).await?;
    // The model is there, whether the run's list of models has room for it or not.
    if let Err(error) = known.tracking.record_model(&run.id, &record(&mlmodel)).await {
        tracing::warn!(run = run.id, "the run's list of models does not have the model: {error}");
    }
    Ok(Logged {
        model_uri: format!("runs:/{}/{}", run.id, options.name),
        model_id: None,
        run_id: run.id.clone(),
        artifact_path: options.name.clone(),
        artifact_uri,
        registered_model_version: None,
    })
}

/// A model in short, as a run's list of models has it.
fn record(mlmodel: &MlModel) -> String {
    let mut record = json!({});
    for key in ["run_id", "artifact_path", "utc_time_created", "model_uuid"] {
        if let Some(text) = mlmodel.text(key) {
            record[key] = text.into();
        }
    }
    let mut flavors = serde_json::to_value(&mlmodel.flavors).unwrap_or_default();
    for flavor in flavors.as_object_mut().into_iter().flat_map(|flavors| flavors.values_mut()) {
        if let Some(keys) = flavor.as_object_mut() {
            keys.remove("config");
        }
    }
    record["flavors"] = flavors;
    record.to_string()
}

/// The model's own params, and those of its run, which win.
fn merged(own: &Pairs, run: &Pairs) -> Pairs {
    let mut all: Pairs = own.iter().filter(|(key, _)| run.iter().all(|(other, _)| other != key)).cloned().collect();
    all.extend(run.iter().cloned());
    all
}
