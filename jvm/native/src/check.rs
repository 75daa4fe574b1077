//! What can be refused before a task runs: names and types of the arguments against the model's signature.

use mlflight::{error::Result, flight::spec, mlmodel::Signature, score::enforce::Enforcement};

/// Checks arguments of the schema `input`. A model without a signature is checked when it is loaded.
pub fn check(spec: &[u8], input: &[u8]) -> Result<()> {
    let spec = spec::decode(spec)?;
    let (_, options) = spec::options(&spec)?;
    if spec.signature.is_empty() {
        return Ok(());
    }
    let signature = Signature::from_json(&spec.signature)?;
    Enforcement::plan(&signature, None, &spec::read_schema(input)?, &options).map(|_| ())
}
