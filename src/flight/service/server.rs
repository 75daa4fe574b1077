//! Serving over HTTP/2, from the first connection to the last.

use arrow_flight::flight_service_server::FlightServiceServer;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{
    Identity, ServerTlsConfig,
    server::{Router, TcpIncoming},
};

use super::{Service, router::FlightRouter};
use crate::{
    error::{Error, Kind, Result},
    flight::{CONNECTION_WINDOW, FRAME, KEEP_ALIVE, STREAM_WINDOW, cause},
    ops::{Address, Listener, Socket, TlsIdentity},
};

/// Descriptors of our messages and of Arrow Flight, for gRPC reflection; made by `tests/flight_proto.rs`.
const DESCRIPTORS: &[u8] = include_bytes!("../descriptors.bin");

/// Serves until the host is drained ([`Lifecycle::drain`](crate::ops::Lifecycle::drain)): then health says so first, running streams may end, and what has not
/// ended by the drain timeout is failed.
pub async fn serve(service: Service, listener: Listener) -> Result<()> {
    let host = service.shared.host.clone();
    let flight = FlightRouter::new(service);
    let (health, health_server) = tonic_health::server::health_reporter();
    health.set_serving::<FlightServiceServer<Service>>().await;

    let tcp = matches!(listener.socket, Socket::Tcp(_));
    let builder = tonic::transport::Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .tcp_nodelay(true);
    // A Unix socket closes with its process. Our own client on one answers pings only while it scores: it must not be asked.
    let builder = match tcp {
        true => builder.http2_keepalive_interval(Some(KEEP_ALIVE)).http2_keepalive_timeout(Some(KEEP_ALIVE)),
        false => builder,
    };
    let failed = |error: tonic::transport::Error| {
        Error::new(Kind::Internal, "SERVE", format!("the service failed: {}", cause(&error))).source(error)
    };
    let mut builder = match &host.options().tls {
        Some(identity) => builder.tls_config(tls(identity)).map_err(failed)?,
        None => builder,
    };
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|error| Error::new(Kind::Internal, "REFLECTION", format!("broken descriptors: {error}")).source(error))?;
    let router: Router = builder.add_service(flight).add_service(health_server).add_service(reflection);

    let (ending, patience) = (host.clone(), host.options().drain_timeout);
    let signal = async move {
        ending.lifecycle().draining().await;
        health.set_not_serving::<FlightServiceServer<Service>>().await;
        health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
        ending.lifecycle().finish(patience).await;
    };
    let path = match listener.address() {
        Address::Unix(path) => Some(path.clone()),
        Address::Tcp(_) => None,
    };
    let serving = async {
        match listener.socket {
            Socket::Tcp(listener) => {
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                router.serve_with_incoming_shutdown(incoming, signal).await
            }
            Socket::Unix(listener) => router.serve_with_incoming_shutdown(UnixListenerStream::new(listener), signal).await,
        }
    };
    let result = tokio::select! {
        result = serving => result.map_err(failed),
        () = host.lifecycle().overdue(patience) => Ok(()),
    };
    if let Some(path) = path {
        let _ = std::fs::remove_file(path);
    }
    result
}

fn tls(identity: &TlsIdentity) -> ServerTlsConfig {
    ServerTlsConfig::new().identity(Identity::from_pem(identity.certificate(), identity.key().expose()))
}
