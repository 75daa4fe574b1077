//! What can be refused before a task runs: names and types of the arguments against the model's signature, and the address of a
//! service.

use mlflight::{
    error::Result,
    mlmodel::Signature,
    request::{self, ServiceAddress},
    score::enforce::Enforcement,
};

/// Checks arguments of the schema `input`. A model without a signature is checked when it is loaded.
pub fn check(spec: &[u8], input: &[u8]) -> Result<()> {
    let spec = request::decode(spec)?;
    let (_, options) = request::options(&spec)?;
    if spec.signature.is_empty() {
        return Ok(());
    }
    let signature = Signature::from_json(&spec.signature)?;
    Enforcement::plan(&signature, None, &request::read_schema(input)?, &options).map(|_| ())
}

/// Checks the address of a service that the session names.
pub fn check_server(uri: &[u8]) -> Result<()> {
    let uri = String::from_utf8_lossy(uri);
    ServiceAddress::parse(&uri).map(|_| ()).map_err(|error| error.context("spark.mlflight.server"))
}
