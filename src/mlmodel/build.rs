//! Making a model: what MLflow's `Model` sets when one is saved.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_yaml::{Mapping, Value};

use super::MlModel;

/// The MLflow whose layout is written; stands in the key `mlflow_version`.
pub const LAYOUT_VERSION: &str = "3.18.0";

impl MlModel {
    /// A model without flavors that is made at this moment: with `utc_time_created`, a `model_uuid` of its own and `mlflow_version`.
    pub fn created_now() -> Self {
        let mut model = Self::new();
        model.set("mlflow_version", LAYOUT_VERSION);
        model.set("model_uuid", uuid());
        model.set("utc_time_created", now());
        model
    }

    /// Adds or replaces a flavor.
    pub fn add_flavor<K: Into<Value>, V: Into<Value>>(
        &mut self,
        name: impl Into<String>,
        keys: impl IntoIterator<Item = (K, V)>,
    ) -> &mut Self {
        let keys = keys.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        self.flavors.insert(Value::from(name.into()), Value::Mapping(keys));
        self
    }

    /// Sets a top-level key other than `flavors` and `signature`, which are fields: `metadata`, `run_id`, one of your own.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.rest.insert(key.into(), value.into());
        self
    }

    /// What the maker of the model wrote down beside it.
    pub fn metadata(&self) -> Option<&Mapping> {
        self.rest.get("metadata").and_then(Value::as_mapping)
    }

    /// Bytes of the model's own files.
    pub fn model_size_bytes(&self) -> Option<u64> {
        self.rest.get("model_size_bytes").and_then(Value::as_u64)
    }

    /// Puts all keys in the order of their names, as MLflow writes them.
    pub(super) fn sort(&mut self) {
        let place = |name: &str| self.rest.keys().filter(|key| key.as_str().is_some_and(|key| key < name)).count();
        let flavors = place("flavors");
        // Counted with `flavors`, which stands before it.
        self.places = [flavors, place("signature") + 1];
        self.rest = sorted(&self.rest);
        self.flavors = sorted(&self.flavors);
    }
}

fn sorted(keys: &Mapping) -> Mapping {
    let inner = |value: &Value| match value {
        Value::Mapping(keys) => Value::Mapping(sorted(keys)),
        other => other.clone(),
    };
    let mut pairs: Vec<(Value, Value)> = keys.iter().map(|(key, value)| (key.clone(), inner(value))).collect();
    if pairs.iter().all(|(key, _)| key.is_string()) {
        pairs.sort_by(|(a, _), (b, _)| a.as_str().cmp(&b.as_str()));
    }
    pairs.into_iter().collect()
}

/// 32 digits by chance, those of a version 4 UUID.
fn uuid() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Without a source of chance: the time, to the nanosecond.
        bytes = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_be_bytes();
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// UTC without a zone, as Python prints a `datetime`.
fn now() -> String {
    chrono::DateTime::<chrono::Utc>::from(SystemTime::now()).format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_model_says_when_and_by_what_layout_it_was_made() {
        let (a, b) = (MlModel::created_now(), MlModel::created_now());
        assert_ne!(a.model_uuid(), b.model_uuid());
        assert_eq!(a.model_uuid().unwrap().len(), 32);
        let time = a.time_created().unwrap();
        assert!(time.starts_with("20") && time.len() == 26, "{time}");
        assert_eq!(a.mlflow_version().as_deref(), Some(LAYOUT_VERSION));
    }

    #[test]
    fn sorted_keys_stand_as_mlflow_writes_them() {
        let mut model = MlModel::created_now();
        model.signature = super::super::Signature::from_json(r#"{"inputs": [{"type": "long", "name": "x"}]}"#).unwrap();
        model.add_flavor("b", [("z", 1), ("a", 2)]).add_flavor("a", [("x", 1)]).set("run_id", "r").set("artifact_path", "p");
        model.sort();
        let text = model.to_yaml().unwrap();
        let keys: Vec<&str> =
            text.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(':').next()).collect();
        assert_eq!(keys, ["artifact_path", "flavors", "mlflow_version", "model_uuid", "run_id", "signature", "utc_time_created"]);
        assert!(text.contains("flavors:\n  a:\n    x: 1\n  b:\n    a: 2\n    z: 1\n"), "{text}");
        assert_eq!(MlModel::parse(&text).unwrap(), model);
    }
}
