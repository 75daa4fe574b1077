//! A model that comes as record batches {path utf8, data binary}: written beside its place, moved there when its digest is right.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Component, Path, PathBuf},
    sync::{Arc, PoisonError},
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::DataType,
};
use arrow_flight::FlightData;
use futures::{Stream, StreamExt};
use prost::Message;
use tempfile::TempDir;
use tonic::Status;

use super::{ServiceCore, exchange::lost};
use crate::{
    error::{Error, Kind, Result},
    flight::wire::Decoder,
    models::{LoadedModel, Origin},
    request::proto::UploadSpec,
    score::Context,
    store,
};

/// Largest `data` of one row.
const CHUNK: usize = 1 << 20;
/// Files and directories of one model.
const FILES: usize = 100_000;
/// Names in a path.
const DEPTH: usize = 64;
/// Bytes of a model's name.
const LONGEST_NAME: usize = 128;
/// Bytes of one model.
const TOTAL: u64 = 64 << 30;

fn wrong(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidArgument, "UPLOAD", message)
}

/// What a client sends.
pub trait Messages: Stream<Item = Result<FlightData, Status>> + Send + Unpin {}

impl<S: Stream<Item = Result<FlightData, Status>> + Send + Unpin> Messages for S {}

/// Takes an upload to its end and serves the model.
pub async fn receive(shared: Arc<ServiceCore>, mut input: impl Messages) -> Result<Arc<LoadedModel>> {
    let Some(root) = shared.host.rights().options().upload.clone() else {
        return Err(Error::new(Kind::PermissionDenied, "NOT_ALLOWED", "a request may not upload a model")
            .remedy("start the service with --allow-upload and a token to allow it"));
    };
    let first = next(&mut input).await?.ok_or_else(|| wrong("the upload is empty"))?;
    let command = first.flight_descriptor.as_ref().map(|descriptor| descriptor.cmd.clone()).unwrap_or_default();
    let spec =
        UploadSpec::decode(command).map_err(|error| wrong(format!("the descriptor's command is no UploadSpec: {error}")))?;
    if spec.digest.len() != 64 || !spec.digest.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()) {
        return Err(wrong("the digest is not a SHA-256 in lower-case hex").found(&spec.digest));
    }
    let name = if spec.name.is_empty() { spec.digest.clone() } else { spec.name.clone() };
    check_name(&name)?;
    shared.check_free(&name, &spec.digest)?;
    let opening = match first.data_header.is_empty() {
        true => next(&mut input).await?.ok_or_else(|| wrong("the upload ended before its schema"))?,
        false => first,
    };
    let decoder = Decoder::new(&opening, shared.options.max_message_bytes)?;
    let mut receiving = blocking(move || Receiving::new(&root, decoder)).await?;
    while let Some(message) = next(&mut input).await? {
        if message.data_header.is_empty() {
            continue;
        }
        let mut held = shared.host.memory().arrived(message.data_header.len() + message.data_body.len());
        shared.host.memory().grow(&mut held, receiving.decoder.claim(&message)?)?;
        shared.host.memory().admit(&mut held).await?;
        receiving = blocking(move || {
            let _held = held;
            receiving.take(message)?;
            Ok(receiving)
        })
        .await?;
    }
    blocking(move || shared.publish(receiving, &name, spec.digest)).await
}

/// The grammar of names that clients give: they stand in logs, errors, descriptors and URLs.
fn check_name(name: &str) -> Result<()> {
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if begins && plain && name.len() <= LONGEST_NAME {
        return Ok(());
    }
    let shown: String = name.chars().take(64).flat_map(char::escape_debug).collect();
    Err(Error::new(Kind::InvalidArgument, "MODEL_NAME", "a model cannot be uploaded under this name")
        .expected(format!("at most {LONGEST_NAME} letters, digits, '_', '-' and '.', beginning with no '-' or '.'"))
        .found(format!("'{shown}'")))
}

impl ServiceCore {
    /// Refuses a name that another model has. The same model may come again: the answer to its first upload may have been lost.
    fn check_free(&self, name: &str, digest: &str) -> Result<()> {
        match self.host.models().get(name) {
            Some(model) if !model.origin.uri.is_empty() || model.origin.digest != digest => Err(taken(name)),
            _ => Ok(()),
        }
    }

    /// Moves an upload to its place and serves it. What is refused here leaves nothing either.
    fn publish(&self, receiving: Receiving, name: &str, digest: String) -> Result<Arc<LoadedModel>> {
        // Two uploads of the same files share a directory: neither may remove it while the other begins to use it.
        let _one = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        let place = receiving.commit(&digest)?;
        let served = self.serve_upload(&place.directory, name, digest);
        if served.is_err() && place.new {
            let _ = std::fs::remove_dir_all(&place.directory);
        }
        served
    }

    fn serve_upload(&self, directory: &Path, name: &str, digest: String) -> Result<Arc<LoadedModel>> {
        self.check_free(name, &digest)?;
        if let Some(model) = self.host.models().get(name) {
            return Ok(model);
        }
        let mut options = self.host.options().load.clone();
        options.forbid_code |= !self.host.rights().options().uploaded_code;
        let origin = Origin { uri: String::new(), digest };
        let model =
            LoadedModel::load_directory(directory, &options, origin).map_err(|error| error.context("the uploaded model"))?;
        if !self.host.models().insert_new(name, model.clone()) {
            return Err(taken(name));
        }
        tracing::info!(name, digest = model.origin.digest, "serving an uploaded model");
        Ok(model)
    }
}

fn taken(name: &str) -> Error {
    Error::new(Kind::AlreadyExists, "MODEL_NAME", format!("the service has another model '{name}'"))
        .remedy("upload it under another name, or unload that one first")
}

async fn next(input: &mut impl Messages) -> Result<Option<FlightData>> {
    input.next().await.transpose().map_err(|status| lost(&status))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let lost =
        |_| Error::new(Kind::Internal, "PANIC", "the upload panicked: this is a bug in mlflight; the service's log says where");
    tokio::task::spawn_blocking(work).await.map_err(lost)?
}

/// A model on its way; dropped before it is committed, it leaves nothing.
struct Receiving {
    decoder: Decoder,
    root: PathBuf,
    directory: TempDir,
    open: Option<(String, File)>,
    /// Files and directories that were made.
    files: usize,
    total: u64,
}

/// Where an upload lies.
struct Place {
    directory: PathBuf,
    /// Whether it was not there before.
    new: bool,
}

impl Receiving {
    fn new(root: &Path, decoder: Decoder) -> Result<Self> {
        let fields = decoder.schema().fields();
        let right = matches!(fields.as_ref(), [path, data] if path.name() == "path" && data.name() == "data"
            && *path.data_type() == DataType::Utf8 && *data.data_type() == DataType::Binary);
        if !right {
            return Err(wrong("the upload has other columns").expected("path: utf8, data: binary").found(format!("{fields:?}")));
        }
        let failed = |error| Error::io(root, error);
        std::fs::create_dir_all(root).map_err(failed)?;
        let directory = tempfile::Builder::new().prefix(".upload-").tempdir_in(root).map_err(failed)?;
        Ok(Self { decoder, root: root.to_owned(), directory, open: None, files: 0, total: 0 })
    }

    fn take(&mut self, message: FlightData) -> Result<()> {
        match self.decoder.message(message, &Context::default())? {
            Some(batch) => self.write(&batch),
            None => Ok(()),
        }
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let (paths, chunks) = (batch.column(0).as_string::<i32>(), batch.column(1).as_binary::<i32>());
        for row in 0..batch.num_rows() {
            if paths.is_null(row) || chunks.is_null(row) {
                return Err(wrong("a row of the upload is null"));
            }
            let (path, chunk) = (paths.value(row), chunks.value(row));
            self.total += chunk.len() as u64;
            if chunk.len() > CHUNK || self.total > TOTAL {
                return Err(Error::new(Kind::ResourceExhausted, "UPLOAD_SIZE", format!("the upload is too large at '{path}'"))
                    .expected(format!("rows of at most {CHUNK} bytes, {TOTAL} bytes together")));
            }
            if self.open.as_ref().is_none_or(|(open, _)| open != path) {
                self.open = Some((path.to_owned(), self.create(path)?));
            }
            if let Some((_, file)) = &mut self.open {
                file.write_all(chunk).map_err(|error| Error::io(Path::new(path), error))?;
            }
        }
        Ok(())
    }

    fn create(&mut self, path: &str) -> Result<File> {
        let plain = !path.is_empty()
            && !path.contains('\\')
            && !path.contains('\0')
            && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        if !plain {
            return Err(wrong("a path of the upload leads out of the model's directory").found(path.escape_debug()));
        }
        if path.split('/').count() > DEPTH {
            return Err(wrong(format!("a path of the upload has more than {DEPTH} names")));
        }
        let mut target = self.directory.path().to_owned();
        let mut names = path.split('/').filter(|name| !name.is_empty()).peekable();
        while let Some(name) = names.next() {
            target.push(name);
            if names.peek().is_some() {
                match std::fs::create_dir(&target) {
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                    made => made.map_err(|error| Error::io(Path::new(path), error))?,
                }
            }
            self.files += 1;
            if self.files > FILES {
                let message = format!("the upload has more than {FILES} files and directories");
                return Err(Error::new(Kind::ResourceExhausted, "UPLOAD_FILES", message));
            }
        }
        OpenOptions::new().write(true).create_new(true).open(&target).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => wrong(format!("the rows of '{path}' do not follow each other")),
            _ => Error::io(Path::new(path), error),
        })
    }

    fn commit(mut self, digest: &str) -> Result<Place> {
        self.open = None;
        let found = store::digest(self.directory.path())?.to_string();
        if found != digest {
            return Err(Error::new(Kind::InvalidArgument, "DIGEST_MISMATCH", "the upload is not what its digest says")
                .expected(digest)
                .found(found));
        }
        let directory = self.root.join(digest);
        // Content that is already here, as long as it still is what its name says.
        if directory.is_dir() && store::digest(&directory).is_ok_and(|found| found.as_str() == digest) {
            return Ok(Place { directory, new: false });
        }
        let written = self.directory.keep();
        match std::fs::rename(&written, &directory) {
            Ok(()) => Ok(Place { directory, new: true }),
            Err(error) => {
                let _ = std::fs::remove_dir_all(&written);
                Err(Error::io(&directory, error))
            }
        }
    }
}
