//! One open stream on one connection.

use std::time::Duration;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::{FlightData, FlightDescriptor};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};

use super::Endpoint;
use crate::{
    error::{Error, Kind, Result},
    flight::{
        status,
        wire::{Decoder, Encoder},
    },
    request::proto::{ScoreBatchInfo, ScoreSpec},
    score::Context,
};

/// Why a batch got no answer.
pub enum Failure {
    /// The service said so.
    Refused(Error),
    /// The connection broke: nobody said anything.
    Lost(Error),
}

impl Failure {
    pub fn error(self) -> Error {
        match self {
            Self::Refused(error) | Self::Lost(error) => error,
        }
    }

    /// An error of ours in the details means that the service is there; anything else came from the transport.
    fn from_status(status: Status) -> Self {
        match status::sent_error(&status) {
            Some(error) => Self::Refused(error),
            None => {
                let cause = status::from_status(status);
                let lost = matches!(cause.kind(), Kind::Unavailable | Kind::Internal | Kind::Cancelled);
                if !lost {
                    return Self::Refused(cause);
                }
                Self::Lost(
                    Error::new(
                        Kind::Unavailable,
                        "CONNECTION_LOST",
                        format!("the connection to the service was lost: {}", cause.message()),
                    )
                    .source(cause),
                )
            }
        }
    }
}

/// What an answer may decode to: the most that a batch's rows take as numbers, and more.
const ANSWER_LIMIT: usize = 1 << 30;

pub struct Link {
    sender: mpsc::Sender<FlightData>,
    answers: Streaming<FlightData>,
    encoder: Encoder,
    decoder: Decoder,
    rows: u64,
}

impl Link {
    pub async fn open(endpoint: &Endpoint, spec: &ScoreSpec, input: &SchemaRef) -> Result<Self, Failure> {
        let mut client = endpoint.connect().await.map_err(Failure::Lost)?;
        let mut encoder = Encoder::new();
        let mut opening = encoder.schema(input);
        opening.flight_descriptor = Some(FlightDescriptor::new_cmd(spec.encode_to_vec()));
        let (sender, receiver) = mpsc::channel(4);
        // There is room: the channel was made just now.
        let _ = sender.try_send(opening);
        let mut request = Request::new(ReceiverStream::new(receiver));
        if let Some(token) = endpoint.secret() {
            let value = format!("Bearer {}", token.expose()).parse();
            let value = value.map_err(|_| {
                Failure::Refused(Error::new(Kind::InvalidArgument, "TOKEN", "the token has characters a header cannot carry"))
            })?;
            request.metadata_mut().insert("authorization", value);
        }
        let mut answers = client.do_exchange(request).await.map_err(Failure::from_status)?.into_inner();
        let schema = next(&mut answers).await?;
        let decoder = Decoder::new(&schema, endpoint.message_limit()).map_err(Failure::Refused)?;
        Ok(Self { sender, answers, encoder, decoder, rows: 0 })
    }

    pub fn schema(&self) -> &SchemaRef {
        self.decoder.schema()
    }

    /// The messages of a batch, in memory of their own.
    pub fn encode(&mut self, batch: &RecordBatch) -> Result<Vec<FlightData>> {
        self.encoder.batch(batch)
    }

    /// Sends a batch of `rows` rows and waits for its answer.
    pub async fn score(&mut self, messages: Vec<FlightData>, rows: usize) -> Result<RecordBatch, Failure> {
        for message in messages {
            if self.sender.send(message).await.is_err() {
                break; // The stream has ended; its status says why.
            }
        }
        let answer = next(&mut self.answers).await?;
        let info = ScoreBatchInfo::decode(answer.app_metadata.clone()).unwrap_or_default();
        let batch = self.decode(answer).map_err(Failure::Refused)?;
        let expected = (self.rows, rows as u64);
        self.rows += expected.1;
        match batch {
            Some(batch) if (info.first_row, info.rows) == expected && batch.num_rows() == rows => Ok(batch),
            _ => Err(Failure::Refused(
                Error::new(Kind::Internal, "ANSWER_ORDER", "the service answered with other rows than were sent")
                    .expected(format!("{} rows from row {}", expected.1, expected.0))
                    .found(format!("{} rows from row {}", info.rows, info.first_row)),
            )),
        }
    }

    fn decode(&mut self, answer: FlightData) -> Result<Option<RecordBatch>> {
        let (bytes, limit) = (self.decoder.claim(&answer)?, ANSWER_LIMIT);
        if bytes > limit {
            let message = format!("an answer would take {bytes} bytes, the limit is {limit}");
            return Err(Error::new(Kind::ResourceExhausted, "ANSWER_SIZE", message).remedy("send batches of fewer rows"));
        }
        self.decoder.message(answer, &Context::default())
    }

    /// Says that no batch follows, and waits a moment for the service to have noticed.
    pub async fn close(self) {
        let Self { sender, mut answers, .. } = self;
        drop(sender);
        let _ = tokio::time::timeout(Duration::from_secs(5), async { while let Ok(Some(_)) = answers.message().await {} }).await;
    }
}

async fn next(answers: &mut Streaming<FlightData>) -> Result<FlightData, Failure> {
    match answers.message().await {
        Ok(Some(message)) => Ok(message),
        Ok(None) => {
            Err(Failure::Lost(Error::new(Kind::Unavailable, "STREAM_ENDED", "the service ended the stream without an answer")))
        }
        Err(status) => Err(Failure::from_status(status)),
    }
}
