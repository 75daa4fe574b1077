//! Where a scoring service is.

use std::fmt;

use url::Url;

use crate::error::{Error, Kind, Result};

/// How a service is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A Unix socket of this machine.
    Unix,
    /// TCP without encryption.
    Tcp,
    /// TLS over TCP.
    Tls,
}

/// The address of a scoring service. [`fmt::Display`] writes it as users do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAddress {
    transport: Transport,
    /// Path of the socket, or host and port.
    target: String,
}

impl ServiceAddress {
    /// Reads `unix:/path`, `grpc://host:port` or `grpc+tls://host:port`.
    pub fn parse(uri: &str) -> Result<Self> {
        let wrong = || {
            Error::new(Kind::InvalidArgument, "ENDPOINT", format!("'{uri}' is no address of a service"))
                .expected("grpc://host:port, grpc+tls://host:port or unix:/path")
        };
        let prefixes = [
            ("grpc+unix://", Transport::Unix),
            ("unix://", Transport::Unix),
            ("unix:", Transport::Unix),
            ("grpc+tls://", Transport::Tls),
            ("grpc+tcp://", Transport::Tcp),
            ("grpc://", Transport::Tcp),
        ];
        let (transport, target) = prefixes
            .iter()
            .find_map(|(prefix, transport)| Some((*transport, uri.strip_prefix(prefix)?)))
            .filter(|(_, target)| !target.is_empty())
            .ok_or_else(wrong)?;
        if transport != Transport::Unix {
            let parsed = Url::parse(&format!("http://{target}")).map_err(|_| wrong())?;
            let bare = parsed.path() == "/" && parsed.query().is_none() && parsed.username().is_empty();
            if !bare || parsed.host_str().is_none_or(str::is_empty) {
                return Err(wrong());
            }
        }
        Ok(Self { transport, target: target.to_owned() })
    }

    /// How the service is reached.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Path of the socket, or host and port.
    pub fn target(&self) -> &str {
        &self.target
    }
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.transport {
            Transport::Unix => "unix:",
            Transport::Tcp => "grpc://",
            Transport::Tls => "grpc+tls://",
        };
        write!(f, "{prefix}{}", self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_others_refused() {
        for (uri, transport, shown) in [
            ("unix:/run/m.sock", Transport::Unix, "unix:/run/m.sock"),
            ("unix:///run/m.sock", Transport::Unix, "unix:/run/m.sock"),
            ("grpc+unix:///run/m.sock", Transport::Unix, "unix:/run/m.sock"),
            ("grpc://localhost:8815", Transport::Tcp, "grpc://localhost:8815"),
            ("grpc+tcp://[::1]:8815", Transport::Tcp, "grpc://[::1]:8815"),
            ("grpc+tls://scores.example:443", Transport::Tls, "grpc+tls://scores.example:443"),
        ] {
            let address = ServiceAddress::parse(uri).unwrap();
            assert_eq!((address.transport(), address.to_string().as_str()), (transport, shown), "{uri}");
        }
        for uri in ["", "localhost:8815", "http://localhost:1", "grpc://", "grpc://host:port", "grpc://host:1/path", "unix:"] {
            let error = ServiceAddress::parse(uri).unwrap_err();
            assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "ENDPOINT"), "{uri}");
        }
    }
}
