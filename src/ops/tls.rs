//! Who a server is to clients that connect by TLS.

use std::sync::Arc;

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{
    config::Secret,
    error::{Error, Kind, Result},
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
        identity.check().map_err(|cause| {
            let message = format!("the TLS certificate and its key cannot be used: {cause}");
            Error::new(Kind::InvalidArgument, "TLS_IDENTITY", message)
                .remedy("give a certificate (chain) and its private key as PEM files")
        })?;
        Ok(identity)
    }

    /// The certificates as PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The private key as PEM.
    pub fn key(&self) -> &Secret {
        &self.key
    }

    fn check(&self) -> Result<(), Box<dyn std::error::Error>> {
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        if chain.is_empty() {
            return Err("there is no certificate".into());
        }
        let key = PrivateKeyDer::from_pem_slice(self.key.expose().as_bytes())?;
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(())
    }
}
