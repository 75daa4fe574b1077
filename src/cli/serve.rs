//! `mlflight serve`: models over Arrow Flight.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::values::{bytes, duration, named, threads};
use crate::{
    config::Secret,
    error::{Error, Kind, Result},
    flavors::{Engine, EnvManager, LoadOptions, PythonRuntime},
    flight::service::{Service, ServiceOptions, serve},
    models::{ModelsOptions, RightsOptions},
    ops::{self, Address, HostOptions, NamedModel, ServerOptions, TlsIdentity, token_from_file, token_from_stdin},
};

/// Serve models over Arrow Flight.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model to serve, under a name (its URI's last part, where none is given); may be repeated.
    #[arg(long, value_name = "[NAME=]URI")]
    model: Vec<String>,
    /// Where to listen: host:port (port 0: any free one) or unix:/path.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8815")]
    flight: String,
    /// File with the token callers must show; needed to listen beyond this machine.
    #[arg(long, value_name = "FILE", env = "MLFLIGHT_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Serve TLS, with this certificate (chain), a PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_key", conflicts_with = "local")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, a PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Largest message taken or sent.
    #[arg(long, value_name = "BYTES", default_value = "64m", value_parser = bytes)]
    max_message_bytes: usize,
    /// Memory for batches on their way, all streams together; each stream may hold one message beside it.
    #[arg(long, value_name = "BYTES", default_value = "1g", value_parser = bytes)]
    memory_limit: usize,
    /// Memory for loaded models; without it there is no limit.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    model_memory_limit: Option<usize>,
    /// From a batch's last byte to its answer.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    batch_timeout: Duration,
    /// How long an answer may stay unread while the next batch waits.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    stall_timeout: Duration,
    /// How long running streams may go on after SIGTERM.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    drain_timeout: Duration,
    /// Threads that score native models, and Python workers; the number of cores where not given.
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<usize>,
    /// Who scores: auto takes native kernels where they agree with the model's library, else Python.
    #[arg(long, value_parser = named::<Engine>(Engine::NAMES.iter().copied()), default_value = "auto")]
    engine: Engine,
    /// Where Python models' packages come from.
    #[arg(long, value_parser = named::<EnvManager>(EnvManager::NAMES.iter().copied()), default_value = "local")]
    env_manager: EnvManager,
    /// The interpreter that `--env-manager local` means.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Refuse every model that would run code of its own.
    #[arg(long)]
    no_code_execution: bool,
    /// Let requests load models whose URI starts with this; may be repeated; needs a token.
    #[arg(long, value_name = "PREFIX")]
    allow_load: Vec<String>,
    /// Let clients upload models, kept in this directory; needs a token.
    #[arg(long, value_name = "DIRECTORY")]
    allow_upload: Option<PathBuf>,
    /// Let uploaded models run their own code; needs a token.
    #[arg(long)]
    allow_uploaded_code: bool,
    /// Let requests set environment variables of Python workers; needs a token.
    #[arg(long)]
    allow_extra_env: bool,
    /// Serve the process at the other end of stdin alone: read the token from it, and end when it closes.
    #[arg(long, conflicts_with_all = ["token_file", "model"])]
    local: bool,
}

/// Serves until told to end.
pub fn run(args: Args) -> Result<()> {
    let service = ServiceOptions { max_message_bytes: args.max_message_bytes, stall_timeout: args.stall_timeout };
    let options = options(args)?;
    super::limits::require(options.threads())?;
    ops::run(&options, |host, listener| serve(Service::new(host, service), listener))
}

fn options(args: Args) -> Result<ServerOptions> {
    let address: Address = args.flight.parse()?;
    if args.local && !matches!(address, Address::Unix(_)) {
        return Err(Error::new(Kind::InvalidArgument, "LOCAL_ADDRESS", "--local listens on a Unix socket alone").found(address));
    }
    if args.tls_cert.is_some() && matches!(address, Address::Unix(_)) {
        return Err(Error::new(Kind::InvalidArgument, "TLS_ADDRESS", "--tls-cert goes with host:port").found(address));
    }
    let token = match (&args.token_file, args.local) {
        (Some(path), _) => Some(token_from_file(path)?),
        (None, true) => Some(token_from_stdin()?),
        (None, false) => None,
    };
    let rights = [
        ("--allow-load", !args.allow_load.is_empty()),
        ("--allow-upload", args.allow_upload.is_some()),
        ("--allow-uploaded-code", args.allow_uploaded_code),
        ("--allow-extra-env", args.allow_extra_env),
    ];
    if let Some((flag, _)) = rights.iter().find(|(_, given)| *given && token.is_none()) {
        return Err(Error::new(Kind::InvalidArgument, "RIGHT_WITHOUT_TOKEN", format!("{flag} needs --token-file"))
            .remedy("anyone who can connect would have that right"));
    }
    let defaults = HostOptions::default();
    let threads = args.threads.unwrap_or(defaults.threads);
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| Error::io(path, error));
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(TlsIdentity::new(read(certificate)?, Secret::new(read(key)?))?),
        _ => None,
    };
    let load = LoadOptions {
        engine: args.engine,
        env_manager: args.env_manager,
        python: PythonRuntime { executable: args.python, workers: args.threads, ..PythonRuntime::default() },
        forbid_code: args.no_code_execution,
        ..LoadOptions::default()
    };
    let rights = RightsOptions {
        local: args.local,
        load_prefixes: args.allow_load,
        upload: args.allow_upload,
        extra_env: args.allow_extra_env,
        uploaded_code: args.allow_uploaded_code,
    };
    let host = HostOptions {
        tls,
        token,
        memory_limit: args.memory_limit,
        batch_timeout: args.batch_timeout,
        drain_timeout: args.drain_timeout,
        threads,
        load,
        rights,
        ..defaults
    };
    let models = args.model.iter().map(|model| named_model(model)).collect::<Result<Vec<_>>>()?;
    for (at, NamedModel { name, uri }) in models.iter().enumerate() {
        if let Some(other) = models[..at].iter().find(|other| other.name == *name) {
            let message = format!("'{}' and '{uri}' would both be served as '{name}'", other.uri);
            return Err(
                Error::new(Kind::InvalidArgument, "MODEL_NAME", message).remedy("give one of them a name: --model NAME=URI")
            );
        }
    }
    if let Some(directory) = &host.rights.upload {
        std::fs::create_dir_all(directory).map_err(|error| Error::io(directory, error).context("--allow-upload"))?;
    }
    Ok(ServerOptions {
        models,
        bounds: ModelsOptions { memory_limit: args.model_memory_limit, ..ModelsOptions::default() },
        address,
        host,
    })
}

/// `NAME=URI`, or a URI whose last part is the name; of a registered model, its own name.
fn named_model(model: &str) -> Result<NamedModel> {
    let (name, uri) = match model.split_once('=') {
        Some((name, uri)) if !name.contains(['/', ':']) => (name, uri),
        _ => {
            let place = model.split(['?', '#']).next().unwrap_or_default();
            let parts: Vec<&str> = place.trim_end_matches('/').split(['/', ':']).filter(|part| !part.is_empty()).collect();
            // A model logged with MLflow lies in a directory that is called "model": the one above it says more.
            let name = match parts.as_slice() {
                // The registry's name, without version or alias.
                ["models", registered, ..] if place.starts_with("models:/") => registered.split('@').next().unwrap_or_default(),
                [.., above, "model"] => above,
                [.., last] => last,
                [] => "",
            };
            (name, model)
        }
    };
    if name.is_empty() || uri.is_empty() {
        return Err(
            Error::new(Kind::InvalidArgument, "MODEL_NAME", format!("--model '{model}' names no model")).expected("[NAME=]URI")
        );
    }
    Ok(NamedModel { name: name.to_owned(), uri: uri.to_owned() })
}
