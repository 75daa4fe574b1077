//! What a service says of its models, and the actions on them.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use arrow_flight::{Action, FlightDescriptor, FlightEndpoint, FlightInfo, Ticket, flight_descriptor::DescriptorType};
use prost::Message;
use serde_json::{Value, json};

use super::{ServiceCore, exchange::spec_of};
use crate::{
    error::{Error, Kind, Result},
    models::LoadedModel,
    request::{proto::ModelInfo, schema_bytes},
    score::{Context, PREDICTION, ScoreOptions},
};

/// Actions and what they do.
pub const ACTIONS: [(&str, &str); 4] = [
    ("describe", "body: a model's name; answers its schemas, engine and the reason for it as JSON"),
    ("load", "body: a ScoreSpec; loads the model so that the first stream need not wait"),
    ("unload", "body: a model's name; streams that score with it may end"),
    ("drain", "takes no new streams and ends when the running ones have ended"),
];

/// A model with what it takes and gives under some options.
struct Described {
    name: String,
    model: Arc<LoadedModel>,
    input: Option<Schema>,
    /// `None` where only an answer tells.
    output: Option<Schema>,
}

impl Described {
    fn new(name: String, model: Arc<LoadedModel>, options: ScoreOptions) -> Result<Self> {
        let scorer = model.scorer(options)?;
        let input = scorer.input().map(|schema| schema.as_ref().clone());
        let declared = || scorer.declared().map(|kind| Field::new(PREDICTION, kind, true));
        let output = scorer.output().or_else(declared).map(|field| Schema::new(vec![field]));
        Ok(Self { name, model, input, output })
    }

    fn flight(&self, descriptor: FlightDescriptor) -> Result<FlightInfo> {
        let Self { name, model, .. } = self;
        let info = ModelInfo {
            name: name.clone(),
            uri: model.origin.uri.clone(),
            digest: model.origin.digest.clone(),
            engine: model.engine.name().into(),
            flavor: model.flavor.clone(),
            reason: model.reason.clone(),
            input_schema: self.input.as_ref().map(schema_bytes).transpose()?.unwrap_or_default(),
            output_schema: self.output.as_ref().map(schema_bytes).transpose()?.unwrap_or_default(),
            memory: model.model.memory() as u64,
        };
        // An endpoint without a location is the service that was asked.
        let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(name.clone()));
        let flight = match &self.output {
            Some(output) => FlightInfo::new().try_with_schema(output)?,
            None => FlightInfo::new(),
        };
        Ok(flight.with_descriptor(descriptor).with_endpoint(endpoint).with_app_metadata(info.encode_to_vec()))
    }

    fn json(&self) -> Value {
        let Self { name, model, .. } = self;
        let columns = |schema: &Schema| -> Value {
            let column = |field: &Arc<Field>| json!({"name": field.name(), "type": field.data_type().to_string(), "nullable": field.is_nullable()});
            schema.fields().iter().map(column).collect()
        };
        json!({
            "name": name,
            "uri": model.origin.uri,
            "digest": model.origin.digest,
            "engine": model.engine.name(),
            "flavor": model.flavor,
            "reason": model.reason,
            "input": self.input.as_ref().map(columns),
            "output": self.output.as_ref().map(columns),
            "memory": model.model.memory(),
        })
    }
}

impl ServiceCore {
    /// Answers GetFlightInfo. Blocks.
    pub fn flight_info(&self, descriptor: FlightDescriptor) -> Result<FlightInfo> {
        self.described(&descriptor)?.flight(descriptor)
    }

    /// Answers GetSchema: what comes back, or with the path `[name, "input"]` what goes in. Blocks.
    pub fn schema(&self, mut descriptor: FlightDescriptor) -> Result<Schema> {
        let input = descriptor.r#type() == DescriptorType::Path && descriptor.path.len() == 2 && descriptor.path[1] == "input";
        if input {
            descriptor.path.pop();
        }
        let described = self.described(&descriptor)?;
        if !input {
            return described.output.ok_or_else(|| {
                Error::new(Kind::NotFound, "NO_OUTPUT_SCHEMA", "only the first answer tells the type of this model's predictions")
                    .remedy("score a batch, or name a type in the ScoreSpec's result_schema")
            });
        }
        let any = || Error::new(Kind::NotFound, "NO_INPUT_SCHEMA", "the model says nothing of its input: it takes any columns");
        described.input.ok_or_else(any)
    }

    fn described(&self, descriptor: &FlightDescriptor) -> Result<Described> {
        let asked = spec_of(Some(descriptor))?;
        let (model, options) = self.resolve(&asked)?;
        Described::new(asked.uri, model, options)
    }

    /// Answers ListFlights. Blocks.
    pub fn flights(&self) -> Result<Vec<FlightInfo>> {
        let flight = |(name, model): (String, Arc<LoadedModel>)| {
            let descriptor = FlightDescriptor::new_path(vec![name.clone()]);
            Described::new(name, model, ScoreOptions::default())?.flight(descriptor)
        };
        self.host.models().list().into_iter().map(flight).collect()
    }

    /// Does an action; what it has to say is JSON. Blocks.
    pub fn action(&self, action: &Action) -> Result<Option<Value>> {
        let name = || {
            std::str::from_utf8(&action.body)
                .map_err(|_| Error::new(Kind::InvalidArgument, "ACTION_BODY", "the action's body is not a model's name"))
        };
        match action.r#type.as_str() {
            "describe" => {
                let descriptor = FlightDescriptor::new_path(vec![name()?.to_owned()]);
                Ok(Some(self.described(&descriptor)?.json()))
            }
            "load" => {
                let described = self.described(&FlightDescriptor::new_cmd(action.body.clone()))?;
                described.model.model.warm(&Context::default())?;
                Ok(Some(described.json()))
            }
            "unload" => {
                self.host.rights().administer("unload a model")?;
                let name = name()?;
                let Some(model) = self.host.models().get(name) else {
                    return Err(Error::new(Kind::NotFound, "MODEL_NOT_FOUND", format!("the service has no model '{name}'")));
                };
                self.host.models().remove(name);
                self.host.models().forget(&model);
                Ok(None)
            }
            "drain" => {
                self.host.rights().administer("end the service")?;
                self.host.lifecycle().drain();
                Ok(None)
            }
            other => Err(Error::new(Kind::Unimplemented, "ACTION", format!("there is no action '{other}'"))
                .expected(ACTIONS.map(|(name, _)| name).join(", "))),
        }
    }
}
