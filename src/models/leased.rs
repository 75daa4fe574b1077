//! A model whose files stay where they are for as long as somebody may score with it: a Python worker that is started again reads them.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};

use crate::{
    error::Result,
    score::{Context, Model, Session, SessionOptions},
    store::Lease,
};

/// The same model, with the lease of its directory.
pub(super) fn keep(model: Arc<dyn Model>, lease: Lease) -> Arc<dyn Model> {
    Arc::new(Leased { model, _lease: lease })
}

struct Leased {
    model: Arc<dyn Model>,
    _lease: Lease,
}

impl Model for Leased {
    fn input(&self) -> Option<SchemaRef> {
        self.model.input()
    }

    fn reads(&self, from: &DataType) -> bool {
        self.model.reads(from)
    }

    fn leaves_out(&self, column: &str) -> bool {
        self.model.leaves_out(column)
    }

    fn output(&self) -> Option<DataType> {
        self.model.output()
    }

    fn memory(&self) -> usize {
        self.model.memory()
    }

    fn warm(&self, context: &Context) -> Result<()> {
        self.model.warm(context)
    }

    fn session(&self, options: &SessionOptions) -> Result<Box<dyn Session>> {
        self.model.session(options)
    }
}
