//! One task's stream of batches: to a service over Flight, or embedded, in this process.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use arrow::{
    array::{ArrayRef, RecordBatch, UInt32Array},
    compute::take,
    datatypes::{DataType, SchemaRef},
};
use mlflight::{
    error::{Error, Kind, Result},
    flight::{
        client::{Endpoint, ScoreStream},
        local::{LocalOptions, LocalService},
    },
    models::Models,
    request::{
        self, Mode,
        proto::{PythonRuntime, ScoreSpec},
    },
    score::{CancelFlag, Context, ScorerSession},
    store::{self, Digest},
};

use crate::{
    export::Answer,
    import::{Importer, Lender},
    options::Options,
};

/// Cancelled from any thread, used by one.
#[derive(Default)]
pub struct Stream {
    cancel: CancelFlag,
    open: Mutex<Option<Open>>,
}

struct Open {
    input: SchemaRef,
    output: DataType,
    backend: Backend,
}

#[expect(clippy::large_enum_variant, reason = "there is one a stream")]
enum Backend {
    Service(ScoreStream),
    Embedded(Box<ScorerSession>),
}

impl Stream {
    /// Makes work in progress stop, and all that follows.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the model to this machine, starts the local service if there is none, and opens the stream.
    pub fn open(&self, spec: &[u8], input: &[u8], output: &[u8], options: &[u8]) -> Result<()> {
        let options = Options::parse(options)?;
        let mut spec = request::decode(spec)?;
        let input = Arc::new(request::read_schema(input)?);
        let output = request::read_schema(output)?.field(0).data_type().clone();
        spec.labels.extend(options.labels.clone());
        let backend = match (options.mode, &options.server) {
            (Mode::Service, Some(server)) => {
                Backend::Service(ScoreStream::open(&remote(server, &options)?, &spec, input.clone(), self.cancel.clone())?)
            }
            (Mode::Service, None) => {
                localize(&mut spec, &options)?;
                let service = LocalService::shared(&options.service, local(&options))?;
                Backend::Service(ScoreStream::open(&service.endpoint()?, &spec, input.clone(), self.cancel.clone())?)
            }
            (Mode::Embedded, _) => {
                localize(&mut spec, &options)?;
                let (load, score) = request::options(&spec)?;
                let model = models().load(&spec.uri, &spec.digest, &load)?;
                Backend::Embedded(Box::new(model.scorer(score)?.open(&input)?))
            }
            (Mode::Python, _) => {
                return Err(Error::new(Kind::Internal, "INVALID_MODE", "Spark's Python workers open no stream of the JVM"));
            }
        };
        *self.lock() = Some(Open { input, output, backend });
        Ok(())
    }

    /// Scores the rows of a table.
    ///
    /// # Safety
    /// The table must describe live buffers of the input schema; they are not referred to after the return.
    pub unsafe fn score(&self, rows: usize, words: &[i64]) -> Result<Answer> {
        let mut open = self.lock();
        let open = open.as_mut().ok_or_else(|| Error::new(Kind::Internal, "STREAM_CLOSED", "the stream is not open"))?;
        let lender: Lender = Arc::new(());
        // SAFETY: the caller's; the lender's count is looked at below.
        let batch = unsafe { Importer::new(words, lender.clone()).batch(&open.input, rows)? };
        let answer = match &mut open.backend {
            Backend::Service(stream) => stream.score(&batch)?,
            Backend::Embedded(session) => session.score(&batch, &Context::new(self.cancel.clone()))?,
        };
        drop(batch);
        Answer::new(owned(answer, &lender)?, &open.output)
    }

    /// Ends the stream at its peer.
    pub fn close(&self) -> Result<()> {
        if let Some(Open { backend: Backend::Service(stream), .. }) = self.lock().take() {
            stream.close();
        }
        Ok(())
    }
}

/// The prediction column, copied where it still borrows from the JVM (a model that hands a column through).
fn owned(answer: RecordBatch, lender: &Lender) -> Result<ArrayRef> {
    let column = answer.column(0).clone();
    drop(answer);
    if Arc::strong_count(lender) == 1 {
        return Ok(column);
    }
    let rows = UInt32Array::from_iter_values(0..column.len() as u32);
    let copy = take(&column, &rows, None)?;
    drop(column);
    if Arc::strong_count(lender) > 1 {
        return Err(Error::new(Kind::Internal, "BORROWED_RESULT", "the predictions still borrow Spark's memory"));
    }
    Ok(copy)
}

fn models() -> &'static Models {
    static MODELS: OnceLock<Models> = OnceLock::new();
    MODELS.get_or_init(Models::default)
}

fn remote(server: &str, options: &Options) -> Result<Endpoint> {
    let mut endpoint = Endpoint::parse(server)?;
    if let Some(token) = &options.token {
        endpoint = endpoint.token(token.clone());
    }
    if let Some(path) = &options.ca {
        endpoint = endpoint.ca(std::fs::read(path).map_err(|error| Error::io(path, error).context("spark.mlflight.tls.caFile"))?);
    }
    Ok(endpoint)
}

fn local(options: &Options) -> LocalOptions {
    let env = options.omp.iter().map(|count| ("OMP_NUM_THREADS".into(), count.clone())).collect();
    LocalOptions { threads: options.threads, env, ..LocalOptions::default() }
}

/// Points the spec to this machine: the model that the driver sent, and the Python that Spark would have started.
fn localize(spec: &mut ScoreSpec, options: &Options) -> Result<()> {
    if let Some(archive) = &options.archive {
        spec.uri = unpacked(archive, options)?;
    }
    spec.python =
        Some(PythonRuntime { executable: options.python.clone(), path: options.path.clone(), env: options.env.clone() });
    Ok(())
}

fn unpacked(archive: &Path, options: &Options) -> Result<String> {
    let directory = store::unpack(archive, &Digest::parse(&options.digest)?, &options.cache)?;
    Ok(directory.to_string_lossy().into_owned())
}
