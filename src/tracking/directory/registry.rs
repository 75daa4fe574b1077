//! Registered models, their versions and aliases: `models/NAME/version-N`.

use std::path::{Component, Path, PathBuf};

use serde_yaml::{Mapping, Value};

use super::{
    Directory,
    files::{self, Meta},
};
use crate::{
    error::{Error, Kind, Result},
    tracking::{ModelVersion, NewVersion, RegisteredModel, fresh, here, missing},
};

/// The stage of versions that were deleted.
const DELETED: &str = "Deleted_Internal";

impl Directory {
    fn registered(&self, name: &str) -> Result<PathBuf> {
        let absent = || missing::registered(name, &self.shown);
        let directory = self.root.join("models").join(files::part(name).ok_or_else(absent)?);
        if directory.join("meta.yaml").is_file() { Ok(directory) } else { Err(absent()) }
    }

    fn numbers(directory: &Path) -> Result<Vec<u64>> {
        let names = files::names(directory)?;
        Ok(names.iter().filter_map(|name| name.strip_prefix("version-")?.parse().ok()).collect())
    }

    fn version_at(&self, directory: &Path, name: &str, number: u64) -> Result<Option<ModelVersion>> {
        let Some(meta) = Meta::read(&directory.join(format!("version-{number}")))? else { return Ok(None) };
        let stage = meta.text("current_stage");
        if stage.as_deref() == Some(DELETED) {
            return Ok(None);
        }
        Ok(Some(ModelVersion {
            name: name.to_owned(),
            version: number,
            source: meta.text("source").unwrap_or_default(),
            location: meta.text("storage_location"),
            stage: stage.filter(|stage| stage != "None"),
            status: meta.text("status").unwrap_or_else(|| "READY".into()),
            run_id: meta.text("run_id"),
            created: meta.number("creation_timestamp"),
        }))
    }

    pub(super) fn read_version(&self, name: &str, number: u64) -> Result<ModelVersion> {
        let directory = self.registered(name)?;
        self.version_at(&directory, name, number)?.ok_or_else(|| missing::version(name, number, &self.shown))
    }

    pub(super) fn read_alias(&self, name: &str, alias: &str) -> Result<ModelVersion> {
        let directory = self.registered(name)?;
        let absent = || missing::alias(name, alias, &self.shown);
        let path = directory.join("aliases").join(files::part(alias).ok_or_else(absent)?);
        let text = files::read(&path)?.ok_or_else(absent)?;
        let number: u64 = text.trim().parse().map_err(|_| absent())?;
        self.read_version(name, number)
    }

    pub(super) fn latest_version(&self, name: &str, stage: Option<&str>) -> Result<ModelVersion> {
        let directory = self.registered(name)?;
        let mut numbers = Self::numbers(&directory)?;
        numbers.sort_unstable_by_key(|number| std::cmp::Reverse(*number));
        for number in numbers {
            if let Some(version) = self.version_at(&directory, name, number)? {
                let fits = |stage: &str| version.stage.as_deref().unwrap_or("None").eq_ignore_ascii_case(stage);
                if stage.is_none_or(fits) {
                    return Ok(version);
                }
            }
        }
        Err(missing::latest(name, stage, &self.shown))
    }

    pub(super) fn search_registered(&self, containing: &str) -> Result<Vec<RegisteredModel>> {
        let root = self.root.join("models");
        let wanted = containing.to_lowercase();
        let mut found = Vec::new();
        for name in files::names(&root)? {
            let directory = root.join(&name);
            if !name.to_lowercase().contains(&wanted) {
                continue;
            }
            let Some(meta) = Meta::read(&directory)? else { continue };
            let mut latest = None;
            for number in Self::numbers(&directory)? {
                if self.version_at(&directory, &name, number)?.is_some() {
                    latest = latest.max(Some(number));
                }
            }
            let aliases = files::pairs(&directory.join("aliases"))?;
            let aliases = aliases.into_iter().filter_map(|(alias, number)| Some((alias, number.trim().parse().ok()?))).collect();
            let description = meta.text("description").unwrap_or_default();
            found.push(RegisteredModel { name, description, updated: meta.number("last_updated_timestamp"), latest, aliases });
        }
        Ok(found)
    }

    pub(super) fn make_registered(&self, name: &str) -> Result<bool> {
        if self.registered(name).is_ok() {
            return Ok(false);
        }
        let Some(part) = files::part(name).filter(|_| !name.contains(':')) else {
            let error =
                Error::new(Kind::InvalidArgument, "NAME_INVALID", format!("'{name}' cannot be the name of a registered model"));
            return Err(error.expected("a name without '/' and ':'"));
        };
        let now = fresh::now();
        let keys = [
            ("aliases", Value::Mapping(Mapping::new())),
            ("creation_timestamp", now.into()),
            ("description", Value::Null),
            ("last_updated_timestamp", now.into()),
            ("name", name.into()),
        ];
        Meta::new(&self.root.join("models").join(part), keys).write()?;
        Ok(true)
    }

    pub(super) fn make_version(&self, version: &NewVersion) -> Result<ModelVersion> {
        let directory = self.registered(&version.name)?;
        let text = |value: &Option<String>| value.as_deref().map_or(Value::Null, Value::from);
        let mut number = Self::numbers(&directory)?.into_iter().max().unwrap_or(0) + 1;
        // Whoever makes the directory has the number.
        let place = loop {
            let place = directory.join(format!("version-{number}"));
            match std::fs::create_dir(&place) {
                Ok(()) => break place,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(Error::io(&place, error)),
            }
        };
        let now = fresh::now();
        let keys = [
            ("creation_timestamp", now.into()),
            ("current_stage", "None".into()),
            ("description", Value::Null),
            ("last_updated_timestamp", now.into()),
            ("model_id", text(&version.model_id)),
            ("name", version.name.as_str().into()),
            ("run_id", text(&version.run_id)),
            ("run_link", Value::Null),
            ("source", version.source.as_str().into()),
            ("status", "READY".into()),
            ("status_message", Value::Null),
            ("storage_location", version.location.as_str().into()),
            ("user_id", Value::Null),
            ("version", number.into()),
        ];
        files::write_pairs(&place.join("tags"), &version.tags)?;
        Meta::new(&place, keys).write()?;
        self.touch(&directory, None)?;
        self.read_version(&version.name, number)
    }

    pub(super) fn write_alias(&self, name: &str, alias: &str, number: u64) -> Result<()> {
        self.read_version(name, number)?;
        let directory = self.registered(name)?;
        let Some(part) = files::part(alias) else {
            return Err(Error::new(Kind::InvalidArgument, "NAME_INVALID", format!("'{alias}' cannot be an alias")));
        };
        files::write(&directory.join("aliases").join(part), &number.to_string())?;
        self.touch(&directory, Some((alias, number)))
    }

    fn touch(&self, directory: &Path, alias: Option<(&str, u64)>) -> Result<()> {
        let Some(mut meta) = Meta::read(directory)? else { return Ok(()) };
        meta.set("last_updated_timestamp", fresh::now());
        if let Some((alias, number)) = alias {
            let mut aliases = meta.map("aliases").cloned().unwrap_or_default();
            aliases.insert(alias.into(), number.to_string().into());
            meta.set("aliases", Value::Mapping(aliases));
        }
        meta.write()
    }

    /// Where the files of a version lie in a directory that was moved: what its location says below an experiment.
    pub(super) fn moved_version(&self, uri: &str) -> Option<String> {
        let path = here::local(uri).filter(|path| !path.exists())?;
        let parts: Vec<_> = path.components().collect();
        // EXPERIMENT/RUN/artifacts/… or EXPERIMENT/models/ID/artifacts.
        (0..parts.len()).find_map(|start| {
            let tail: PathBuf = parts[start..].iter().filter(|part| matches!(part, Component::Normal(_))).collect();
            let moved = self.root.join(&tail);
            let known = tail.components().next().is_some_and(|first| self.root.join(first).join("meta.yaml").is_file());
            (known && moved.is_dir()).then(|| moved.display().to_string())
        })
    }
}
