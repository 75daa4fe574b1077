//! The calls of Arrow Flight.

use std::sync::Arc;

use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse, PollInfo,
    PutResult, SchemaAsIpc, SchemaResult, Ticket, flight_service_server::FlightService,
};
use futures::stream::BoxStream;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};

use super::{Service, ServiceCore, exchange, incoming::Incoming, info, upload};
use crate::{
    error::{Error, Kind},
    flight::status::to_status,
};

type Stream<T> = BoxStream<'static, Result<T, Status>>;

fn unimplemented<T>(call: &str) -> Result<T, Status> {
    Err(to_status(
        &Error::new(Kind::Unimplemented, "CALL", format!("{call} has no meaning here")).remedy("score with DoExchange"),
    ))
}

#[tonic::async_trait]
impl FlightService for Service {
    type HandshakeStream = Stream<HandshakeResponse>;
    type ListFlightsStream = Stream<FlightInfo>;
    type DoGetStream = Stream<FlightData>;
    type DoPutStream = Stream<PutResult>;
    type DoActionStream = Stream<arrow_flight::Result>;
    type ListActionsStream = Stream<ActionType>;
    type DoExchangeStream = exchange::Answers;

    /// Not reached: a call of DoExchange is read from its HTTP body, without tonic's codec.
    async fn do_exchange(&self, _: Request<Streaming<FlightData>>) -> Result<Response<Self::DoExchangeStream>, Status> {
        unimplemented("DoExchange by tonic's codec")
    }

    async fn handshake(&self, _: Request<Streaming<HandshakeRequest>>) -> Result<Response<Self::HandshakeStream>, Status> {
        unimplemented("Handshake")
    }

    async fn do_get(&self, _: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        unimplemented("DoGet")
    }

    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        unimplemented("PollFlightInfo")
    }

    async fn list_flights(&self, request: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>, Status> {
        let flights = self.answer(request, |shared, _| shared.flights()).await?;
        Ok(Response::new(stream(flights)))
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        self.answer(request, |shared, descriptor| shared.flight_info(descriptor)).await.map(Response::new)
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        let schema = self.answer(request, |shared, descriptor| shared.schema(descriptor)).await?;
        let options = IpcWriteOptions::default();
        let result = SchemaResult::try_from(SchemaAsIpc::new(&schema, &options)).map_err(|error| to_status(&error.into()))?;
        Ok(Response::new(result))
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Result<Response<Self::DoPutStream>, Status> {
        self.shared.authorize(request.metadata()).map_err(|error| to_status(&error))?;
        let receiving = upload::receive(self.shared.clone(), request.into_inner());
        // Counted as a stream, and finished even where the client does not wait for the answer.
        let model = self.shared.host.lifecycle().spawn(receiving).await;
        let model = model.map_err(|_| Status::internal("the upload panicked"))?.map_err(|error| to_status(&error))?;
        let result = PutResult { app_metadata: model.origin.digest.clone().into() };
        Ok(Response::new(stream(vec![result])))
    }

    async fn do_action(&self, request: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        let answer = self.answer(request, |shared, action| shared.action(&action)).await?;
        Ok(Response::new(stream(answer.into_iter().map(|value| arrow_flight::Result::new(value.to_string())).collect())))
    }

    async fn list_actions(&self, request: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        let actions = self.answer(request, |_, _| Ok(info::ACTIONS)).await?;
        let actions = actions.map(|(name, description)| ActionType { r#type: name.into(), description: description.into() });
        Ok(Response::new(stream(actions.to_vec())))
    }
}

fn stream<T: Send + 'static>(items: Vec<T>) -> Stream<T> {
    Box::pin(futures::stream::iter(items.into_iter().map(Ok)))
}

impl Service {
    /// Opens a scoring stream.
    pub(super) fn exchange(&self, metadata: &MetadataMap, input: Incoming) -> Result<Response<exchange::Answers>, Status> {
        self.shared.authorize(metadata).map_err(|error| to_status(&error))?;
        self.shared.host.lifecycle().check_open().map_err(|error| to_status(&error))?;
        Ok(Response::new(exchange::start(Arc::clone(&self.shared), input)))
    }

    /// Answers one call off the I/O threads: it may load a model.
    async fn answer<Q: Send + 'static, A: Send + 'static>(
        &self,
        request: Request<Q>,
        work: impl FnOnce(&ServiceCore, Q) -> crate::error::Result<A> + Send + 'static,
    ) -> Result<A, Status> {
        let shared = self.shared.clone();
        shared.authorize(request.metadata()).map_err(|error| to_status(&error))?;
        let question = request.into_inner();
        let answer = tokio::task::spawn_blocking(move || work(&shared, question)).await;
        let lost =
            |_| Error::new(Kind::Internal, "PANIC", "the call panicked: this is a bug in mlflight; the service's log says where");
        answer.unwrap_or_else(|error| Err(lost(error))).map_err(|error| to_status(&error))
    }
}
