//! Files on their way to the server.

use std::{path::Path, time::Duration};

use super::{Artifacts, ROOT};
use crate::{
    error::{Error, Kind, Result},
    http::{Method, header},
};

/// Larger files are streamed.
const IN_MEMORY: u64 = 8 << 20;

/// Files from this size are sent in parts, as by MLflow's own client.
const MULTIPART: u64 = 500 << 20;

/// The first pause before a file is sent again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How often a streamed file is sent at most.
const ATTEMPTS: u32 = 4;

impl Artifacts {
    pub(super) async fn upload(&self, name: &str, file: &Path) -> Result<()> {
        let size = file.metadata().map_err(|error| Error::io(file, error))?.len();
        let least = std::env::var("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE").ok().and_then(|text| text.parse().ok());
        if size >= least.unwrap_or(MULTIPART) {
            let abilities = self.abilities().await;
            if abilities.multipart_uploads || abilities.presigned_only {
                return self.upload_in_parts(name, file, size).await;
            }
        }
        match self.put(name, file, size).await {
            // A server of 3.18 may take nothing itself.
            Err(error) if error.code() == "TRACKING_REFUSED" && self.abilities().await.presigned_only => {
                self.upload_in_parts(name, file, size).await
            }
            done => done,
        }
    }

    async fn put(&self, name: &str, file: &Path, size: u64) -> Result<()> {
        let url = self.url(ROOT, name)?;
        let mut attempt = 0;
        let reply = loop {
            attempt += 1;
            let request = self.client.request(Method::PUT, url.as_str()).header(header::CONTENT_TYPE, "application/octet-stream");
            if size <= IN_MEMORY {
                break self.client.send(request.body(crate::file::read(file, IN_MEMORY)?)).await?;
            }
            // A body that streams cannot be sent again by the client: it is opened anew here.
            let body = tokio::fs::File::from_std(crate::file::open(file)?);
            let sent = self.client.send(request.header(header::CONTENT_LENGTH, size).body(body)).await;
            let passing = match &sent {
                Ok(reply) => reply.status.is_server_error() || reply.status.as_u16() == 429,
                Err(error) => error.kind() == Kind::Unavailable,
            };
            if !passing || attempt == ATTEMPTS {
                break sent?;
            }
            tokio::time::sleep(FIRST_PAUSE * 2u32.pow(attempt - 1)).await;
        };
        if reply.status.is_success() { Ok(()) } else { Err(self.refused(name, reply.status, reply.json())) }
    }
}
