//! Where a service is and how to reach it.

use std::{sync::Arc, time::Duration};

use arrow_flight::flight_service_client::FlightServiceClient;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use super::runtime::Driver;
use crate::{
    config::Secret,
    error::{Error, Kind, Result},
    flight::{CONNECTION_WINDOW, DEFAULT_MESSAGE_BYTES, FRAME, KEEP_ALIVE, STREAM_WINDOW, cause, local::LocalService},
    request::{ServiceAddress, Transport},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The address of a service with what it takes to be let in.
#[derive(Debug, Clone)]
pub struct Endpoint {
    address: ServiceAddress,
    token: Option<Secret>,
    authority: Option<Vec<u8>>,
    message_bytes: usize,
    /// The service this endpoint leads to, where this process started it, and which of its lives.
    local: Option<(Arc<LocalService>, u64)>,
}

impl Endpoint {
    /// Reads `unix:/path`, `grpc://host:port` or `grpc+tls://host:port`.
    pub fn parse(uri: &str) -> Result<Self> {
        let address = ServiceAddress::parse(uri)?;
        Ok(Self { address, token: None, authority: None, message_bytes: DEFAULT_MESSAGE_BYTES, local: None })
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

    /// The address as tonic dials it.
    fn dialled(&self) -> String {
        let scheme = match self.address.transport() {
            Transport::Unix => "unix:",
            Transport::Tcp => "http://",
            Transport::Tls => "https://",
        };
        format!("{scheme}{}", self.address.target())
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
        match self.address.transport() {
            Transport::Unix => Driver::own(),
            Transport::Tcp | Transport::Tls => Driver::shared(),
        }
    }

    pub(super) async fn connect(&self) -> Result<FlightServiceClient<Channel>> {
        let transport = self.address.transport();
        let failed = |error: tonic::transport::Error| {
            let message = format!("cannot reach the service at {}: {}", self.address, cause(&error));
            let failure = Error::new(Kind::Unavailable, "CONNECT", message).source(error);
            match (transport, &self.authority) {
                (Transport::Tls, None) => failure.remedy("name the authority that signed the service's certificate"),
                _ => failure,
            }
        };
        let mut endpoint = tonic::transport::Endpoint::from_shared(self.dialled())
            .map_err(failed)?
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME)
            .tcp_nodelay(true);
        if transport != Transport::Unix {
            endpoint = endpoint.http2_keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE).keep_alive_while_idle(true);
        }
        if transport == Transport::Tls {
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
    fn a_token_does_not_show() {
        let endpoint = Endpoint::parse("unix:/run/m.sock").unwrap().token("hunter2");
        assert!(!format!("{endpoint:?}").contains("hunter2"));
    }
}
