//! Where a service is and how to reach it.

use std::{sync::Arc, time::Duration};

use arrow_flight::flight_service_client::FlightServiceClient;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use super::runtime::Driver;
use crate::{
    config::Secret,
    error::{Error, Kind, Result},
    flight::{CONNECTION_WINDOW, DEFAULT_MESSAGE_BYTES, FRAME, KEEP_ALIVE, STREAM_WINDOW, cause, local::LocalService},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The address of a service with what it takes to be let in.
#[derive(Debug, Clone)]
pub struct Endpoint {
    uri: String,
    place: Place,
    token: Option<Secret>,
    authority: Option<Vec<u8>>,
    message_bytes: usize,
    /// The service this endpoint leads to, where this process started it, and which of its lives.
    local: Option<(Arc<LocalService>, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Unix,
    Tcp,
    Tls,
}

impl Endpoint {
    /// Reads `unix:/path`, `grpc://host:port` or `grpc+tls://host:port`.
    pub fn parse(uri: &str) -> Result<Self> {
        let wrong = || {
            Error::new(Kind::InvalidArgument, "ENDPOINT", format!("'{uri}' is no address of a service"))
                .expected("grpc://host:port, grpc+tls://host:port or unix:/path")
        };
        let (place, dial) = if let Some(path) =
            uri.strip_prefix("grpc+unix://").or_else(|| uri.strip_prefix("unix://")).or_else(|| uri.strip_prefix("unix:"))
        {
            (Place::Unix, format!("unix:{path}"))
        } else if let Some(rest) = uri.strip_prefix("grpc+tls://") {
            (Place::Tls, format!("https://{rest}"))
        } else if let Some(rest) = uri.strip_prefix("grpc+tcp://").or_else(|| uri.strip_prefix("grpc://")) {
            (Place::Tcp, format!("http://{rest}"))
        } else {
            return Err(wrong());
        };
        if place != Place::Unix {
            let parsed = url::Url::parse(&dial).map_err(|_| wrong())?;
            let bare = parsed.path() == "/" && parsed.query().is_none() && parsed.username().is_empty();
            if !bare || parsed.port_or_known_default().is_none() || parsed.host_str().is_none_or(str::is_empty) {
                return Err(wrong());
            }
        } else if dial.len() <= "unix:".len() {
            return Err(wrong());
        }
        Ok(Self { uri: dial, place, token: None, authority: None, message_bytes: DEFAULT_MESSAGE_BYTES, local: None })
    }

    /// The token the service wants.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Secret::new(token));
        self
    }

    /// The certificate authority of a TLS service, as PEM. Without it none is trusted.
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authority = Some(pem.into());
        self
    }

    /// Largest message to send or take; larger batches are sliced. The service's `--max-message-bytes` must be no less.
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.message_bytes = bytes;
        self
    }

    pub(in crate::flight) fn with_local(mut self, service: Arc<LocalService>, life: u64) -> Self {
        self.local = Some((service, life));
        self
    }

    /// The address as users write it.
    fn shown(&self) -> String {
        match self.uri.split_once("://") {
            Some(("https", rest)) => format!("grpc+tls://{rest}"),
            Some((_, rest)) => format!("grpc://{rest}"),
            None => self.uri.clone(),
        }
    }

    pub(super) fn message_limit(&self) -> usize {
        self.message_bytes
    }

    pub(super) fn secret(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    /// Where to go on after the connection was lost: a local service that is up again. `None` for services of others.
    pub(super) fn revived(&self) -> Result<Option<Self>> {
        match &self.local {
            Some((service, life)) => service.revive(*life).map(Some),
            None => Ok(None),
        }
    }

    /// A Unix socket is driven by the thread that waits; TCP needs someone who answers pings in between.
    pub(super) fn driver(&self) -> Result<Driver> {
        match self.place {
            Place::Unix => Driver::own(),
            Place::Tcp | Place::Tls => Driver::shared(),
        }
    }

    pub(super) async fn connect(&self) -> Result<FlightServiceClient<Channel>> {
        let failed = |error: tonic::transport::Error| {
            let message = format!("cannot reach the service at {}: {}", self.shown(), cause(&error));
            let failure = Error::new(Kind::Unavailable, "CONNECT", message).source(error);
            match (self.place, &self.authority) {
                (Place::Tls, None) => failure.remedy("name the authority that signed the service's certificate"),
                _ => failure,
            }
        };
        let mut endpoint = tonic::transport::Endpoint::from_shared(self.uri.clone())
            .map_err(failed)?
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME)
            .tcp_nodelay(true);
        if self.place != Place::Unix {
            endpoint = endpoint.http2_keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE).keep_alive_while_idle(true);
        }
        if self.place == Place::Tls {
            let mut tls = ClientTlsConfig::new();
            if let Some(pem) = &self.authority {
                tls = tls.ca_certificate(Certificate::from_pem(pem));
            }
            endpoint = endpoint.tls_config(tls).map_err(failed)?;
        }
        let channel = endpoint.connect().await.map_err(failed)?;
        let client = FlightServiceClient::new(channel);
        Ok(client.max_decoding_message_size(self.message_bytes).max_encoding_message_size(self.message_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_others_refused() {
        for (uri, place) in [
            ("unix:/run/m.sock", Place::Unix),
            ("unix:///run/m.sock", Place::Unix),
            ("grpc://localhost:8815", Place::Tcp),
            ("grpc+tcp://[::1]:8815", Place::Tcp),
            ("grpc+tls://scores.example:443", Place::Tls),
        ] {
            assert_eq!(Endpoint::parse(uri).unwrap().place, place, "{uri}");
        }
        for uri in ["", "localhost:8815", "http://localhost:1", "grpc://", "grpc://host:port", "grpc://host:1/path", "unix:"] {
            let error = Endpoint::parse(uri).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidArgument, "{uri}");
        }
    }

    #[test]
    fn a_token_does_not_show() {
        let endpoint = Endpoint::parse("unix:/run/m.sock").unwrap().token("hunter2");
        assert!(!format!("{endpoint:?}").contains("hunter2"));
    }
}
