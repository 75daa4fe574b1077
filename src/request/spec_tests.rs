use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use serde_json::json;

use super::*;
use crate::flavors::Engine;

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn options_survive_the_wire() {
    let python = PythonRuntime {
        executable: Some("/usr/bin/python3".into()),
        path: vec!["/a".into(), "/b".into()],
        env: vec![("A".into(), "1".into()), ("B".into(), "2".into())],
        ..PythonRuntime::default()
    };
    let request = Request {
        uri: "models:/churn/3".into(),
        digest: "ab".into(),
        load: LoadOptions {
            engine: Engine::Python,
            env_manager: EnvManager::Uv,
            model_config: Some(map(json!({"temperature": 0.5}))),
            predict_fn: Some("predict_proba".into()),
            python,
            ..LoadOptions::default()
        },
        score: ScoreOptions {
            result: Some(DataType::List(Arc::new(Field::new_list_field(DataType::Float32, true)))),
            compat: Compat::Mlflow,
            params: map(json!({"k": [1, 2]})),
            time_zone: Some("Europe/Berlin".into()),
        },
        input_names: vec!["x".into(), "y".into()],
        ..Request::default()
    };
    let spec = decode(&request.to_spec().unwrap().encode_to_vec()).unwrap();
    assert_eq!((spec.uri.as_str(), spec.digest.as_str()), ("models:/churn/3", "ab"));
    assert_eq!(spec.input_names, ["x", "y"]);
    let (load, score) = options(&spec).unwrap();
    assert_eq!(load, request.load);
    assert_eq!(format!("{score:?}"), format!("{:?}", request.score));
}

#[test]
fn the_defaults_survive_too() {
    let spec = Request::default().to_spec().unwrap();
    let (load, score) = options(&decode(&spec.encode_to_vec()).unwrap()).unwrap();
    assert_eq!(load, LoadOptions::default());
    assert_eq!(format!("{score:?}"), format!("{:?}", ScoreOptions::default()));
}

#[test]
fn the_users_variables_win_over_the_interpreters() {
    let spec = ScoreSpec {
        protocol: PROTOCOL,
        extra_env: [("A".into(), "user".into())].into(),
        python: Some(proto::PythonRuntime {
            env: [("A".into(), "worker".into()), ("B".into(), "worker".into())].into(),
            ..Default::default()
        }),
        ..ScoreSpec::default()
    };
    let (load, _) = options(&spec).unwrap();
    assert_eq!(load.python.env, [("B".to_owned(), "worker".to_owned()), ("A".to_owned(), "user".to_owned())]);
}

#[test]
fn another_protocol_is_refused_naming_both() {
    let spec = ScoreSpec { protocol: 7, ..ScoreSpec::default() };
    let error = decode(&spec.encode_to_vec()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::FailedPrecondition, "PROTOCOL_VERSION"));
    assert!(error.message().contains("protocol 7") && error.message().contains("protocol 1"), "{error}");
}

#[test]
fn wrong_values_are_named() {
    let refuse = |spec: ScoreSpec, word: &str| {
        let error = options(&ScoreSpec { protocol: PROTOCOL, ..spec }).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert!(error.to_string().contains(word), "{error}");
    };
    refuse(ScoreSpec { engine: "gpu".into(), ..Default::default() }, "engine 'gpu'");
    refuse(ScoreSpec { compat: "spark".into(), ..Default::default() }, "compat 'spark'");
    refuse(ScoreSpec { env_manager: "docker".into(), ..Default::default() }, "env_manager 'docker'");
    refuse(ScoreSpec { params: "[1]".into(), ..Default::default() }, "params is not a JSON object");
    refuse(ScoreSpec { model_config: "{".into(), ..Default::default() }, "model_config is not a JSON object");
    refuse(ScoreSpec { result_schema: vec![1, 2, 3], ..Default::default() }, "result_schema");
    assert_eq!(decode(&[0xff; 3]).unwrap_err().code(), "BAD_SPEC");
}
