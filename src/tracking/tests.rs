use std::fs;

use super::*;
use crate::{error::Kind, http::block_on};

fn registered(name: &str, which: Which, path: &str) -> ModelName {
    ModelName::Registered { name: name.into(), which, path: path.into() }
}

#[test]
fn model_uris_are_read_as_mlflow_reads_them() {
    let id = "m-0123456789abcdef0123456789abcdef";
    for (uri, expected) in [
        ("models:/churn/3", registered("churn", Which::Version(3), "")),
        ("models:/churn/Latest", registered("churn", Which::Latest, "")),
        ("models:/churn/Production", registered("churn", Which::Stage("Production".into()), "")),
        ("models:/churn@champion", registered("churn", Which::Alias("champion".into()), "")),
        ("models:/a@b@c", registered("a@b", Which::Alias("c".into()), "")),
        ("models:/churn@champion/sub/path", registered("churn", Which::Alias("champion".into()), "sub/path")),
        ("models:/churn/3/sub/path/", registered("churn", Which::Version(3), "sub/path")),
        ("MODELS:/my churn/3", registered("my churn", Which::Version(3), "")),
        ("models:/m-12", ModelName::Logged { id: "m-12".into(), path: String::new() }),
        (&format!("models:/{id}/sub"), ModelName::Logged { id: id.into(), path: "sub".into() }),
        ("models:/m-churn/2", registered("m-churn", Which::Version(2), "")),
    ] {
        assert_eq!(ModelName::parse(uri).unwrap(), expected, "{uri}");
    }
    for uri in [
        "models:/",
        "models:churn/1",
        "models:/churn@",
        "models:/@a",
        "models:/ /1",
        "runs:/a/b",
        "models:/a/99999999999999999999",
    ] {
        assert_eq!(ModelName::parse(uri).unwrap_err().code(), "MODEL_URI_INVALID", "{uri}");
    }
    assert_eq!(ModelName::parse("models://profile@databricks/churn/1").unwrap_err().code(), "REGISTRY_UNSUPPORTED");
    assert_eq!(RunPath::parse("runs:/abc/a/b/").unwrap(), RunPath { run: "abc".into(), path: "a/b".into() });
    assert_eq!(RunPath::parse("runs:/abc").unwrap(), RunPath { run: "abc".into(), path: String::new() });
    for uri in ["runs:/", "runs:abc", "runs://host/abc/x", "models:/a/1"] {
        assert_eq!(RunPath::parse(uri).unwrap_err().code(), "MODEL_URI_INVALID", "{uri}");
    }
}

#[test]
fn names_do_not_lead_out_of_a_directory() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("mlruns/0")).unwrap();
    fs::write(home.path().join("mlruns/0/meta.yaml"), "name: Default\nartifact_location: x\n").unwrap();
    fs::write(home.path().join("meta.yaml"), "artifact_uri: secret\n").unwrap();
    let store = open(&home.path().join("mlruns").display().to_string()).unwrap();
    block_on(async {
        for id in ["..", "../..", "../0/..", "/", "", ".", "../../"] {
            assert_eq!(store.run(id).await.unwrap_err().code(), "RUN_NOT_FOUND", "{id}");
            assert_eq!(store.logged_model(id).await.unwrap_err().code(), "LOGGED_MODEL_NOT_FOUND", "{id}");
            assert_eq!(store.version(id, 1).await.unwrap_err().code(), "REGISTERED_MODEL_NOT_FOUND", "{id}");
            assert!(store.create_registered_model(id).await.is_err(), "{id}");
        }
        let run = store.create_run(NewRun { experiment_id: "0".into(), ..Default::default() }).await.unwrap();
        let tags = vec![("../../../evil".to_owned(), "x".to_owned())];
        assert_eq!(store.set_tags(&run.id, &tags).await.unwrap_err().kind(), Kind::InvalidArgument);
        assert!(store.create_registered_model("churn").await.unwrap());
        let version = NewVersion { name: "churn".into(), ..Default::default() };
        assert_eq!(store.create_version(&version).await.unwrap().version, 1);
        assert!(store.set_alias("churn", "../../evil", 1).await.is_err());
    })
    .unwrap();
    assert!(!home.path().join("evil").exists());
}

#[test]
fn two_who_register_at_once_get_two_versions() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home.path().display().to_string()).unwrap();
    block_on(async { store.create_registered_model("churn").await }).unwrap().unwrap();
    let version = NewVersion { name: "churn".into(), ..Default::default() };
    let mut numbers: Vec<u64> = std::thread::scope(|scope| {
        let make = || block_on(async { store.create_version(&version).await }).unwrap().unwrap().version;
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4]);
}
