//! `mlflight serve` as a process: what it refuses at its start.

use std::process::{Command, Stdio};

use crate::support::{self, python::PyModel};

/// Exit code and messages of a service that must not come up.
fn refused(arguments: &[&str], env: &[(&str, &str)]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlflight"));
    command.arg("serve").args(arguments).envs(env.iter().copied()).stdin(Stdio::null());
    command.args(["--flight", "127.0.0.1:0", "--python"]).arg(support::python());
    let output = command.output().unwrap();
    assert!(output.stdout.is_empty(), "it came up");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_model_that_cannot_be_loaded_fails_the_start() {
    let model = PyModel::new("def _load_pyfunc(path):\n    raise RuntimeError('weights are missing')\n");
    let (code, text) = refused(&["--model", &format!("bad={}", model.path().display())], &[]);
    assert_eq!(code, 12, "{text}");
    assert!(text.starts_with("error: model 'bad': ") && text.contains("RuntimeError: weights are missing"), "{text}");
}

#[test]
fn a_model_that_may_not_run_its_code_is_not_served() {
    let model = PyModel::new("raise SystemExit('it ran')");
    let uri = model.path().to_str().unwrap();
    let variable = "MLFLOW_ALLOW_MODEL_CODE_EXECUTION";
    for (flags, env) in [
        (vec!["--no-code-execution"], vec![]),
        (vec![], vec![(variable, "false")]),
        (vec![], vec![("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "0")]),
    ] {
        let (code, text) = refused(&[&["--model", uri], flags.as_slice()].concat(), &env);
        assert_eq!(code, 7, "{text}");
        assert!(text.contains("runs its own Python code") && !text.contains("it ran"), "{text}");
    }
    let (code, text) = refused(&["--model", uri], &[(variable, "nope")]);
    assert!(code == 2 && text.contains("MLFLOW_ALLOW_MODEL_CODE_EXECUTION: 'nope' is no truth value"), "{code} {text}");
}

#[test]
fn tls_needs_a_certificate_with_its_key_and_a_port() {
    let data = support::root().join("tests/data/tls");
    let file = |name: &str| data.join(name).to_str().unwrap().to_owned();
    let (certificate, authority, key) = (file("server.pem"), file("ca.pem"), file("server.key"));
    let (code, text) = refused(&["--tls-cert", &authority, "--tls-key", &key], &[]);
    assert!(code == 2 && text.contains("the TLS certificate and its key cannot be used"), "{code} {text}");
    let (code, text) = refused(&["--tls-cert", &certificate], &[]);
    assert!(code == 2 && text.contains("--tls-key"), "{code} {text}");
    let (code, text) = refused(&["--tls-cert", "/nowhere/cert.pem", "--tls-key", &key], &[]);
    assert!(code == 4 && text.contains("/nowhere/cert.pem"), "{code} {text}");
    let output = Command::new(env!("CARGO_BIN_EXE_mlflight"))
        .args(["serve", "--flight", "unix:/nowhere/s", "--tls-cert", &certificate, "--tls-key", &key])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--tls-cert goes with host:port"));
}

#[test]
fn a_certificate_does_not_stand_in_for_a_token() {
    let data = support::root().join("tests/data/tls");
    let output = Command::new(env!("CARGO_BIN_EXE_mlflight"))
        .args(["serve", "--flight", "0.0.0.0:0", "--tls-cert"])
        .arg(data.join("server.pem"))
        .arg("--tls-key")
        .arg(data.join("server.key"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--token-file"));
}

#[test]
fn values_that_cannot_be_are_refused_at_the_start() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("token");
    std::fs::write(&file, "0123456789abcdef").unwrap();
    let file = file.to_str().unwrap();
    for threads in ["0", "99999999", "18446744073709551615", "-1"] {
        let (code, text) = refused(&[&format!("--threads={threads}")], &[]);
        assert!(code == 2 && text.contains("from 1 to 1024"), "{code} {text}");
    }
    let (code, text) = refused(&["--model", "m=/a/x", "--model", "m=/b/y"], &[]);
    assert!(code == 2 && text.contains("'/a/x' and '/b/y' would both be served as 'm'"), "{code} {text}");
    let (code, text) = refused(&["--token-file", file, "--allow-upload", file], &[]);
    assert!(code != 0 && text.contains("--allow-upload") && text.contains(file), "{code} {text}");
}
