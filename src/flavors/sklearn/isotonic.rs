//! `sklearn.isotonic`

use std::sync::Arc;

use crate::{
    error::Result,
    flavors::sklearn::base::{Allow, Estimator, Frame, Made, Method, Part, View, Work, frame, out_of_range, python, validate},
    kernels::block::{Block, Kind},
};

/// A piecewise linear function through points.
pub struct Line {
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    /// Whether a value outside of the points gets the answer of the nearest point; otherwise its answer is NaN.
    pub clips: bool,
    /// Whether a value outside of the points is an error.
    pub refuses: bool,
}

pub fn line(view: View<'_>) -> Made<Line> {
    let (x, y) = (view.floats_of("X_thresholds_")?, view.floats_of("y_thresholds_")?);
    if x.is_empty() || x.len() != y.len() || !x.is_sorted() {
        return python("IsotonicRegression: its points are no line");
    }
    let outside = view.word("out_of_bounds");
    Ok(Line { x, y, clips: outside == "clip", refuses: outside == "raise" })
}

impl Line {
    pub fn at(&self, value: f64) -> f64 {
        let (first, last) = (self.x[0], self.x[self.x.len() - 1]);
        if !self.clips && !(first..=last).contains(&value) {
            return f64::NAN;
        }
        let value = value.clamp(first, last);
        if self.x.len() == 1 {
            return self.y[0];
        }
        let above = self.x.partition_point(|&x| x < value).clamp(1, self.x.len() - 1);
        let (x0, x1, y0, y1) = (self.x[above - 1], self.x[above], self.y[above - 1], self.y[above]);
        let slope = (y1 - y0) / (x1 - x0);
        slope * (value - x0) + y0
    }
}

pub struct Isotonic {
    pub line: Line,
    pub frame: Frame,
}

/// `IsotonicRegression`
pub fn isotonic(view: View<'_>) -> Made<Estimator> {
    let frame = Frame { count: Some(1), ..frame(view) };
    Ok(Arc::new(Isotonic { line: line(view)?, frame }))
}

impl Part for Isotonic {
    fn has(&self, method: Method) -> bool {
        method == Method::Predict
    }

    fn run(&self, _: Method, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        validate("IsotonicRegression", input, 1, Allow::Finite)?;
        out.reset(input.rows(), 1, Kind::Double);
        for (row, (out, &value)) in out.column_mut(0).iter_mut().zip(input.column(0)).enumerate() {
            *out = self.line.at(value);
            if self.line.refuses && out.is_nan() {
                let message = "a value is outside the range that the model was fitted on";
                return Err(out_of_range(message, row));
            }
        }
        Ok(())
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.line.x.len() * 16
    }
}
