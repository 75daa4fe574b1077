//! Schemas and types as Arrow IPC messages.

use std::sync::Arc;

use arrow::{
    datatypes::{DataType, Field, Schema},
    ipc::{Message, convert::try_schema_from_flatbuffer_bytes, root_as_message_with_opts, writer::DictionaryTracker},
};
use flatbuffers::VerifierOptions;

use crate::error::{Error, Kind, Result};

/// A schema as an Arrow IPC schema message.
pub fn schema_bytes(schema: &Schema) -> Result<Vec<u8>> {
    let mut tracker = DictionaryTracker::new(false);
    let options = arrow::ipc::writer::IpcWriteOptions::default();
    let generator = arrow::ipc::writer::IpcDataGenerator::default();
    Ok(generator.schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &options).ipc_message)
}

/// A result type as it goes into a spec: the schema of one field `prediction`.
pub fn result_schema(result: &DataType) -> Result<Vec<u8>> {
    schema_bytes(&Schema::new(vec![Arc::new(Field::new(crate::score::PREDICTION, result.clone(), true))]))
}

/// Reads an IPC schema message, with or without the stream format's length in front.
pub fn read_schema(bytes: &[u8]) -> Result<Schema> {
    let invalid =
        |message: String| Error::new(Kind::InvalidArgument, "BAD_SCHEMA", format!("not an Arrow IPC schema: {message}"));
    let framed = bytes.starts_with(&[0xff; 4]);
    message(if framed { bytes.get(8..).unwrap_or_default() } else { bytes })?;
    // The reader's own conversion panics where a part is missing, or is of a type it does not know; a peer's bytes must not.
    std::panic::catch_unwind(|| {
        if framed { arrow::ipc::convert::try_schema_from_ipc_buffer(bytes) } else { try_schema_from_flatbuffer_bytes(bytes) }
    })
    .map_err(|_| invalid("a part of it is missing, or of a type that is not supported".into()))?
    .map_err(|error| invalid(error.to_string()))
}

/// Reads a result type as it goes into a spec.
pub fn result_type(bytes: &[u8]) -> Result<DataType> {
    let schema = read_schema(bytes).map_err(|error| error.context("result_schema"))?;
    match schema.fields().as_ref() {
        [field] => Ok(field.data_type().clone()),
        fields => Err(Error::new(Kind::InvalidArgument, "BAD_SCHEMA", "result_schema must have one field").found(fields.len())),
    }
}

/// Verifies the flatbuffer of an IPC message. What it seems to hold is bounded by its own size: its parts may refer to the same bytes,
/// so that a name that is stored once could become a million names.
pub(crate) fn message(bytes: &[u8]) -> Result<Message<'_>> {
    let options = VerifierOptions { max_apparent_size: 8 * bytes.len() + 4096, ..VerifierOptions::default() };
    root_as_message_with_opts(&options, bytes).map_err(malformed)
}

/// The error for Arrow data that contradicts its own format.
pub(crate) fn malformed(what: impl std::fmt::Display) -> Error {
    Error::new(Kind::InvalidArgument, "MALFORMED_ARROW", format!("malformed Arrow data: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_read_with_and_without_its_length() {
        let schema = Schema::new(vec![Field::new("a", DataType::Int64, false)]);
        let plain = schema_bytes(&schema).unwrap();
        assert_eq!(read_schema(&plain).unwrap(), schema);
        let mut framed = vec![0xff; 4];
        framed.extend_from_slice(&u32::try_from(plain.len()).unwrap().to_le_bytes());
        framed.extend_from_slice(&plain);
        assert_eq!(read_schema(&framed).unwrap(), schema);
    }

    #[test]
    fn a_schema_without_its_parts_is_refused() {
        // Found by fuzzing: a message whose schema has no list of fields.
        let bytes = [
            0x08, 0x00, 0x00, 0x00, 0x8b, 0x08, 0x00, 0x00, 0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x01, 0x01, 0x10, 0xff,
            0x9b, 0x80, 0x00, 0x00, 0x12, 0x12, 0x00, 0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x1c, 0x00, 0x00, 0x00, 0x00, 0x00,
            0x00, 0x00, 0x30, 0x00, 0x42,
        ];
        let error = read_schema(&bytes).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "BAD_SCHEMA"));
        assert!(error.message().contains("missing"), "{error}");
    }
}
