//! Where a server listens.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use tokio::net::{TcpListener, UnixListener};

use crate::error::{Error, Kind, Result};

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
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::Unix(PathBuf::from(path))) };
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

/// A bound address: connections wait here until a server takes them.
pub struct Listener {
    /// Where connections come in.
    pub socket: Socket,
    address: Address,
}

/// A socket that listens.
pub enum Socket {
    /// For connections over TCP.
    Tcp(TcpListener),
    /// For connections of this machine.
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
                Ok(Self { socket: Socket::Tcp(listener), address: bound })
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
                Ok(Self { socket: Socket::Unix(listener), address: address.clone() })
            }
        }
    }

    /// The address that was bound.
    pub fn address(&self) -> &Address {
        &self.address
    }
}

/// A socket nobody listens on is left over from a service that was killed.
fn remove_stale(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if metadata.file_type().is_socket() && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_others_refused() {
        for (text, address) in [
            ("unix:/run/s", Address::Unix("/run/s".into())),
            ("unix:///run/s", Address::Unix("/run/s".into())),
            ("grpc://[::1]:0", Address::Tcp("[::1]:0".into())),
            ("host:8815", Address::Tcp("host:8815".into())),
        ] {
            assert_eq!(text.parse::<Address>().unwrap(), address);
        }
        // A socket without a name would be an abstract one, which every user of the machine may connect to.
        for text in ["unix:", "unix://", "host", ":80", "host:port", ""] {
            assert_eq!(text.parse::<Address>().unwrap_err().code(), "ADDRESS", "{text}");
        }
    }
}
