//! A transformer as an estimator.

use std::sync::Arc;

use super::{Allow, Estimator, Frame, Made, Method, Part, View, Work, expect_width, frame, validate, width};
use crate::{error::Result, kernels::block::Block};

/// The transformation of a block that was validated.
pub trait Transform: Send + Sync {
    fn transform(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()>;

    /// See [`Part::takes_sparse`].
    fn takes_sparse(&self) -> bool {
        false
    }

    /// See [`Part::sparse_width`].
    fn sparse_width(&self, _input: Option<usize>) -> Option<usize> {
        None
    }

    fn memory(&self) -> usize;
}

/// A transformer with what it was fitted on.
pub struct Step<T> {
    pub name: String,
    pub frame: Frame,
    pub width: usize,
    pub allow: Option<Allow>,
    pub inner: T,
}

impl<T: Transform + 'static> Step<T> {
    /// `allow` says which values are accepted; with `None` all of them and texts too.
    pub fn shared(view: View<'_>, allow: Option<Allow>, inner: T) -> Made<Estimator> {
        Self::of_width(view, width(view)?, allow, inner)
    }

    /// The same where another attribute says how many columns it takes.
    pub fn of_width(view: View<'_>, width: usize, allow: Option<Allow>, inner: T) -> Made<Estimator> {
        Ok(Arc::new(Self { name: view.name().into(), frame: frame(view), width, allow, inner }))
    }
}

impl<T: Transform> Part for Step<T> {
    fn has(&self, method: Method) -> bool {
        method == Method::Transform
    }

    fn run(&self, _: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        match self.allow {
            Some(allow) => validate(&self.name, input, self.width, allow)?,
            None => expect_width(&self.name, input, self.width)?,
        }
        self.inner.transform(input, work, out)
    }

    fn takes_sparse(&self) -> bool {
        self.inner.takes_sparse()
    }

    fn sparse_width(&self, input: Option<usize>) -> Option<usize> {
        self.inner.sparse_width(input)
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.inner.memory()
    }
}
