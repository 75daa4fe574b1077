//! What a server offers beside handing files through.

use serde_json::Value;

use super::Artifacts;
use crate::http::Method;

/// Since 3.16 or so a server tells; one that does not offers nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Abilities {
    /// Files can be sent to the store behind it, part by part.
    pub(super) multipart_uploads: bool,
    /// Files can be read from the store behind it.
    pub(super) signs_downloads: bool,
    /// Files can be sent and read in no other way.
    pub(super) presigned_only: bool,
}

impl Artifacts {
    /// What the server offers, asked once.
    pub(super) async fn abilities(&self) -> Abilities {
        *self.abilities.get_or_init(|| self.ask()).await
    }

    async fn ask(&self) -> Abilities {
        let request = self.client.request(Method::GET, &format!("{}/api/3.0/mlflow/server-info", self.server));
        let answer = match self.client.send(request).await {
            Ok(reply) if reply.status.is_success() => reply.json().unwrap_or_default(),
            _ => Value::Null,
        };
        let told = |key: &str| answer[key].as_bool() == Some(true);
        Abilities {
            multipart_uploads: told("multipart_uploads_enabled"),
            signs_downloads: told("multipart_downloads_enabled"),
            presigned_only: told("artifacts_presigned_only"),
        }
    }
}

/// Headers that go with a signed URL.
pub(super) fn headers(answer: &Value) -> Vec<(String, String)> {
    let pairs = answer.as_object().into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}
