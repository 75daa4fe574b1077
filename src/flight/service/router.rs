//! Takes the calls: a scoring stream by its HTTP body, which [`Incoming`] reads, all others by tonic's codec.

use std::{convert::Infallible, future::ready, sync::Arc};

use arrow_flight::{FlightData, flight_service_server::FlightServiceServer};
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codegen::{BoxFuture, Context, Poll, Service as Tower, http},
    server::{Grpc, NamedService, StreamingService},
};
use tonic_prost::ProstCodec;

use super::{Service, exchange::Answers, incoming::Incoming};

const EXCHANGE: &str = "/arrow.flight.protocol.FlightService/DoExchange";

/// The Flight service as tonic routes to it.
#[derive(Clone)]
pub struct FlightRouter {
    service: Arc<Service>,
    others: FlightServiceServer<Service>,
    limit: usize,
}

impl FlightRouter {
    pub fn new(service: Service) -> Self {
        let limit = service.shared.options.max_message_bytes;
        let service = Arc::new(service);
        let others = FlightServiceServer::from_arc(service.clone());
        let others = others.max_decoding_message_size(limit).max_encoding_message_size(limit);
        Self { service, others, limit }
    }
}

impl NamedService for FlightRouter {
    const NAME: &'static str = FlightServiceServer::<Service>::NAME;
}

impl Tower<http::Request<Body>> for FlightRouter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path() != EXCHANGE {
            return self.others.call(request);
        }
        let (parts, body) = request.into_parts();
        let exchange = Exchange { service: self.service.clone(), input: Some(Incoming::new(body, self.limit)) };
        let mut grpc = Grpc::new(ProstCodec::default()).max_encoding_message_size(self.limit);
        Box::pin(async move { Ok(grpc.streaming(exchange, http::Request::from_parts(parts, Body::empty())).await) })
    }
}

/// One call of `DoExchange`.
struct Exchange {
    service: Arc<Service>,
    input: Option<Incoming>,
}

impl StreamingService<FlightData> for Exchange {
    type Response = FlightData;
    type ResponseStream = Answers;
    type Future = std::future::Ready<Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<Streaming<FlightData>>) -> Self::Future {
        let input = self.input.take().ok_or_else(|| Status::internal("a call is answered once"));
        ready(input.and_then(|input| self.service.exchange(request.metadata(), input)))
    }
}
