//! Who a service is to clients that connect by TLS.

use tonic::transport::{Identity, Server, ServerTlsConfig};

use crate::{
    config::Secret,
    error::{Error, Kind, Result},
    flight::cause,
};

/// A certificate, with those that lead to its authority, and its private key.
#[derive(Debug, Clone)]
pub struct TlsIdentity {
    certificate: String,
    key: Secret,
}

impl TlsIdentity {
    /// From PEM texts; refused where they are none, or do not belong together.
    pub fn new(certificate: impl Into<String>, key: Secret) -> Result<Self> {
        let identity = Self { certificate: certificate.into(), key };
        Server::builder().tls_config(identity.config()).map_err(|error| {
            let message = format!("the TLS certificate and its key cannot be used: {}", cause(&error));
            Error::new(Kind::InvalidArgument, "TLS_IDENTITY", message)
                .remedy("give a certificate (chain) and its private key as PEM files")
                .source(error)
        })?;
        Ok(identity)
    }

    pub(super) fn config(&self) -> ServerTlsConfig {
        ServerTlsConfig::new().identity(Identity::from_pem(&self.certificate, self.key.expose()))
    }
}
