//! Listening and ending.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

use arrow_flight::flight_service_server::FlightServiceServer;
use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::server::{Router, TcpIncoming};

use super::{Service, door::Door};
use crate::{
    error::{Error, Kind, Result},
    flight::{CONNECTION_WINDOW, FRAME, KEEP_ALIVE, STREAM_WINDOW, cause},
};

/// Descriptors of our messages and of Arrow Flight, for gRPC reflection; made by `tests/flight_proto.rs`.
const DESCRIPTORS: &[u8] = include_bytes!("../descriptors.bin");

/// Where a service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address and port; port 0 is any free one.
    Tcp(String),
    /// A Unix socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(Kind::InvalidArgument, "ADDRESS", format!("'{text}' is no address to listen on"))
                .expected("host:port or unix:/path")
        };
        if let Some(path) = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:")) {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let plain = text.strip_prefix("grpc://").or_else(|| text.strip_prefix("grpc+tcp://")).unwrap_or(text);
        match plain.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(Self::Tcp(plain.into())),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "grpc://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A bound address: connections wait here until [`serve`] takes them.
pub struct Listener {
    inner: Inner,
    address: Address,
}

enum Inner {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Binds. Without a token only loopback addresses and sockets are allowed: anyone who can connect can score.
    pub async fn bind(address: &Address, has_token: bool) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::new(Kind::FailedPrecondition, "BIND", format!("cannot listen on {address}: {error}")).source(error)
        };
        match address {
            Address::Tcp(text) => {
                let addresses: Vec<SocketAddr> = tokio::net::lookup_host(text).await.map_err(failed)?.collect();
                if !has_token && !addresses.iter().all(|address| address.ip().is_loopback()) {
                    return Err(Error::new(
                        Kind::PermissionDenied,
                        "OPEN_ADDRESS",
                        format!("{address} can be reached from other machines, and the service has no token"),
                    )
                    .remedy("give it one with --token-file, or listen on 127.0.0.1 or a Unix socket"));
                }
                let listener = TcpListener::bind(addresses.as_slice()).await.map_err(failed)?;
                let bound = Address::Tcp(listener.local_addr().map_err(failed)?.to_string());
                Ok(Self { inner: Inner::Tcp(listener), address: bound })
            }
            Address::Unix(path) => {
                // The kernel's own message for this is "invalid argument".
                if path.as_os_str().len() > 107 {
                    return Err(Error::new(
                        Kind::InvalidArgument,
                        "SOCKET_PATH",
                        format!("the path of the socket {} is too long", path.display()),
                    )
                    .expected("at most 107 bytes")
                    .found(path.as_os_str().len()));
                }
                remove_stale(path).map_err(failed)?;
                let listener = UnixListener::bind(path).map_err(failed)?;
                Ok(Self { inner: Inner::Unix(listener), address: address.clone() })
            }
        }
    }

    /// The address that was bound.
    pub fn address(&self) -> &Address {
        &self.address
    }
}

/// A socket nobody listens on is left over from a service that was killed.
fn remove_stale(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if metadata.file_type().is_socket() && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// Serves until `service` is drained ([`Service::drain`]): then health says so first, running streams may end, and what has not
/// ended by the drain timeout is failed.
pub async fn serve(service: Service, listener: Listener) -> Result<()> {
    let shared = service.shared.clone();
    let flight = Door::new(service);
    let (health, health_server) = tonic_health::server::health_reporter();
    health.set_serving::<FlightServiceServer<Service>>().await;

    let tcp = matches!(listener.inner, Inner::Tcp(_));
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
    let mut builder = match &shared.options.tls {
        Some(identity) => builder.tls_config(identity.config()).map_err(failed)?,
        None => builder,
    };
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|error| Error::new(Kind::Internal, "REFLECTION", format!("broken descriptors: {error}")).source(error))?;
    let router: Router = builder.add_service(flight).add_service(health_server).add_service(reflection);

    let ended = shared.clone();
    let signal = async move {
        ended.draining.cancelled().await;
        health.set_not_serving::<FlightServiceServer<Service>>().await;
        health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
        ended.streams.close();
        if tokio::time::timeout(ended.options.drain_timeout, ended.streams.wait()).await.is_err() {
            ended.stopped.cancel();
            // What is told to stop answers its client first.
            let _ = tokio::time::timeout(std::time::Duration::from_secs(2), ended.streams.wait()).await;
        }
    };
    let path = match &listener.address {
        Address::Unix(path) => Some(path.clone()),
        Address::Tcp(_) => None,
    };
    let draining = shared.draining.clone();
    let serving = async {
        match listener.inner {
            Inner::Tcp(listener) => {
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                router.serve_with_incoming_shutdown(incoming, signal).await
            }
            Inner::Unix(listener) => router.serve_with_incoming_shutdown(UnixListenerStream::new(listener), signal).await,
        }
    };
    // Connections that stay open without a stream do not hold the service up.
    let grace = shared.options.drain_timeout + std::time::Duration::from_secs(4);
    let overdue = async {
        draining.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    let result = tokio::select! {
        result = serving => result.map_err(failed),
        () = overdue => Ok(()),
    };
    if let Some(path) = path {
        let _ = std::fs::remove_file(path);
    }
    result
}
