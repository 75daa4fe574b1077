//! MLflow's `sklearn` flavor: fitted scikit-learn estimators, read out of a pickle or a skops archive as data and scored by
//! kernels.
//!
//! An estimator is a [`base::Part`] over blocks of columns. The [`registry`] has one line an estimator; a model that refers to any
//! class it does not know goes to Python as a whole.

mod base;
mod calibration;
mod cluster;
mod compose;
mod covariance;
mod cross_decomposition;
mod decomposition;
mod discriminant_analysis;
mod dummy;
mod ensemble;
mod feature_extraction;
mod feature_selection;
mod frame;
mod gaussian_process;
mod impute;
mod isotonic;
mod kernel_approximation;
mod kernel_ridge;
mod linear_model;
mod mixture;
mod model_selection;
mod multiclass;
mod multioutput;
mod naive_bayes;
mod neighbors;
mod neural_network;
mod nulls;
mod pipeline;
mod preprocessing;
mod registry;
mod semi_supervised;
mod session;
mod svm;
mod tree;

use std::{path::Path, sync::Arc};

use arrow::datatypes::{DataType, SchemaRef};

use super::{
    LoadOptions,
    common::{answers::several, files, keys},
};
use crate::{
    error::{Kind, Result},
    formats::{objects::Graph, pickle},
    kernels::block::{Block, Kind as ColumnKind},
    mlmodel::{MlModel, SchemaSpec},
    score::{Model, Session, SessionOptions},
};
use base::{Estimator, Loader, Made, Method, Symbols, View, Work, python};

/// Name of the flavor.
pub(super) const NAME: &str = "sklearn";

/// Loads the flavor.
pub(super) fn load(mlmodel: &MlModel, directory: &Path, options: &LoadOptions) -> Made<Arc<dyn Model>> {
    let asked = keys::predict_fn(mlmodel, options);
    let Some(method) = Method::from_name(asked) else { return python(format!("predict_fn '{asked}' has no kernel")) };
    let graph = graph(mlmodel, directory)?;
    let mut unknown = graph.globals().filter(|name| !registry::knows(name) && !pickle::is_data(name));
    if let Some(first) = unknown.next() {
        // A class or function that the file holds itself explains more than what it refers to.
        return python(unfamiliar(unknown.find(|name| is_code(name)).filter(|_| !is_code(first)).unwrap_or(first)));
    }
    let requirements = ["requirements.txt", "conda.yaml"].iter().find_map(|name| files::read(directory, name).ok());
    let requirements = requirements.as_deref().map(String::from_utf8_lossy);
    Ok(Arc::new(build(&graph, mlmodel, method, nulls::are_none(&graph, requirements.as_deref()))?))
}

/// Whether a name stands for a class or function that the file holds by value.
fn is_code(name: &str) -> bool {
    name.starts_with("cloudpickle.")
}

/// Why a model with an unknown name needs Python.
fn unfamiliar(name: &str) -> String {
    match name {
        _ if is_code(name) => format!("it holds a class or function by value ({name})"),
        pickle::COMPUTED => "it calls what another call returned".to_owned(),
        pickle::CHANGED => "it changes a value after it was made".to_owned(),
        _ => name.to_owned(),
    }
}

/// Qualified names of every class and function the model's file refers to, sorted. Runs nothing.
pub(super) fn globals(mlmodel: &MlModel, directory: &Path) -> Result<Vec<String>> {
    Ok(graph(mlmodel, directory)?.globals().map(str::to_owned).collect())
}

fn graph(mlmodel: &MlModel, directory: &Path) -> Result<Graph> {
    let text = |key: &str| keys::text(mlmodel, NAME, key);
    files::objects(directory, text("pickled_model").unwrap_or("model.pkl"), text("serialization_format"))
}

fn build(graph: &Graph, mlmodel: &MlModel, method: Method, nulls_are_none: bool) -> Made<SklearnModel> {
    let loader = Loader::default();
    let root = View::root_for(graph, &loader);
    let (class, part) = (root.name().to_owned(), registry::build(root)?);
    if !part.has(method) {
        return python(format!("{class} has no method {} here", method.name()));
    }
    let inputs = mlmodel.signature.inputs.as_ref();
    if method == Method::Transform && part.sparse_width(None).is_some() {
        return python("its answer is a sparse matrix");
    }
    let documents =
        matches!(inputs, Some(SchemaSpec::Tensors(tensors)) if matches!(tensors.as_slice(), [one] if one.shape.len() == 1));
    if loader.documents.get() > 0 && !(documents && part.takes_documents()) {
        return python("a vectorizer that is given a table reads the names of its columns: sign it with a tensor of shape (-1,)");
    }
    let by_position = match inputs {
        Some(SchemaSpec::Columns(columns)) => columns.iter().all(|column| column.name.is_none()),
        Some(SchemaSpec::Tensors(tensors)) if tensors.len() > 1 => return python("it takes several tensors"),
        Some(SchemaSpec::Tensors(_)) => true,
        None => false,
    };
    let inner = SklearnCore { part, method, class, by_position, nulls_are_none, symbols: loader.into_symbols() };
    let output = probe(&inner, mlmodel)?;
    Ok(SklearnModel { inner: Arc::new(inner), output })
}

/// Scores no rows, which tells the type of the answers and whether the kernels take the types of the signature.
fn probe(inner: &SklearnCore, mlmodel: &MlModel) -> Made<Option<DataType>> {
    let frame = inner.part.frame();
    let declared = mlmodel.signature.input_schema().filter(|schema| Some(schema.fields().len()) == frame.count);
    let (mut block, certain) = (Block::default(), declared.is_some());
    match (declared, frame.count) {
        (Some(schema), _) => {
            block.reset(0, schema.fields().len(), ColumnKind::Double);
            for (column, field) in schema.fields().iter().enumerate() {
                if let Some(kind) = frame::kind(field.data_type()) {
                    block.set_kind(column, kind);
                }
            }
        }
        (None, Some(count)) => block.reset(0, count, ColumnKind::Double),
        (None, None) => return Ok(None),
    }
    let mut out = Block::default();
    match inner.part.run(inner.method, &block, &mut Work::default(), &mut out) {
        Ok(()) => {}
        Err(error) if certain && error.kind() == Kind::Unimplemented => return python(error.message()),
        Err(_) => return Ok(None),
    }
    let item = match (out.kind(), inner.part.labels()) {
        (ColumnKind::Class, [labels, ..]) => labels.data_type(),
        _ => DataType::Float64,
    };
    Ok(Some(several(item, out.width())))
}

/// A loaded model.
struct SklearnModel {
    inner: Arc<SklearnCore>,
    output: Option<DataType>,
}

/// The model, shared by its sessions.
struct SklearnCore {
    part: Estimator,
    method: Method,
    /// The outermost estimator's class.
    class: String,
    /// Whether columns are taken by position, not by name.
    by_position: bool,
    /// Whether a null among texts is `None`; otherwise it is NaN.
    nulls_are_none: bool,
    symbols: Symbols,
}

impl Model for SklearnModel {
    fn input(&self) -> Option<SchemaRef> {
        None
    }

    fn reads(&self, from: &DataType) -> bool {
        !(from.is_decimal() || matches!(from, DataType::Dictionary(..) | DataType::RunEndEncoded(..)))
    }

    fn output(&self) -> Option<DataType> {
        self.output.clone()
    }

    fn memory(&self) -> usize {
        self.inner.part.memory() + self.inner.symbols.memory()
    }

    fn session(&self, options: &SessionOptions) -> Result<Box<dyn Session>> {
        for name in options.params.keys() {
            tracing::warn!(param = name, "the model takes no params, ignored");
        }
        Ok(Box::new(session::SklearnSession::new(self.inner.clone())))
    }
}
