//! Gradient boosting of both kinds: sums of trees, and the link function of the loss.

use crate::{
    error::Result,
    flavors::sklearn::{
        base::{Allow, Estimator, Frame, Labels, Method, Part, Work, expect_width, has_logarithms, logarithm, validate},
        tree::add,
    },
    kernels::{
        block::{Block, Kind, single},
        dense::{argmax, both, expit, softmax},
        trees::Ensemble,
    },
};

/// The value to which the trees are added.
pub enum Start {
    /// The same for every row.
    Constant(Vec<f64>),
    /// An estimator's predictions, through the loss's link.
    Estimator { part: Estimator, link: Link, epsilon: f64 },
}

/// The link function, which turns the initial estimator's probabilities into scores.
#[derive(Clone, Copy, PartialEq)]
pub enum Link {
    Identity,
    Logit,
    HalfLogit,
    /// Logarithms minus their mean.
    Centered,
    /// Logarithms.
    Logarithm,
}

/// The inverse of the link, which turns sums into predictions.
#[derive(Clone, Copy, PartialEq)]
pub enum Inverse {
    Identity,
    Exponential,
    Logistic,
    /// The logistic of twice the sum.
    Double,
    Softmax,
}

/// The trees, by the precision in which they compare values.
pub enum Grown {
    /// Values are rounded to single precision before trees see them.
    Single(Ensemble<f32, f64>),
    Double(Ensemble<f64, f64>),
}

/// A boosted model.
pub struct GradientBoosting {
    pub name: String,
    pub frame: Frame,
    pub columns: usize,
    pub allow: Allow,
    /// Encodes categories and moves their columns to the front.
    pub preprocessor: Option<Estimator>,
    pub start: Start,
    pub trees: Grown,
    pub outputs: usize,
    pub inverse: Inverse,
    pub labels: Vec<Labels>,
    /// Whether of two classes the second is predicted for a sum of zero.
    pub zero_is_second: bool,
}

fn logit(p: f64) -> f64 {
    // By the two formulas that scipy uses, as the quotient is inaccurate near one half.
    if (0.3..=0.65).contains(&p) {
        let s = 2.0 * (p - 0.5);
        return s.ln_1p() - (-s).ln_1p();
    }
    (p / (1.0 - p)).ln()
}

impl Start {
    fn fill(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let (part, link, epsilon) = match self {
            Self::Constant(numbers) => {
                numbers.iter().enumerate().for_each(|(column, number)| out.column_mut(column).fill(*number));
                return Ok(());
            }
            Self::Estimator { part, link, epsilon } => (part, *link, *epsilon),
        };
        let method = if link == Link::Identity { Method::Predict } else { Method::Proba };
        work.with(&**part, method, input, |_, made| {
            let (width, outputs) = (made.width(), out.width());
            let expected = if outputs > 1 { outputs } else { 1 + usize::from(link != Link::Identity) };
            expect_width("what the sums begin with", made, expected)?;
            for row in 0..made.rows() {
                if outputs == 1 {
                    // With two classes, the probability of the second.
                    let value = made.at(row, width - 1);
                    let clipped = value.clamp(epsilon, 1.0 - epsilon);
                    out.column_mut(0)[row] = match link {
                        Link::Logit => logit(clipped),
                        Link::HalfLogit => 0.5 * logit(clipped),
                        _ => value,
                    };
                    continue;
                }
                let logarithm = |column: usize| made.at(row, column).clamp(epsilon, 1.0 - epsilon).ln();
                let mean = (0..width).map(logarithm).sum::<f64>() / width as f64;
                for column in 0..width.min(outputs) {
                    out.column_mut(column)[row] = match link {
                        // Dividing by the geometric mean, as the library does.
                        Link::Centered => (made.at(row, column).clamp(epsilon, 1.0 - epsilon) / mean.exp()).ln(),
                        _ => logarithm(column),
                    };
                }
            }
            Ok(())
        })
    }
}

impl GradientBoosting {
    fn sums(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut seen = work.take();
        let made = self.sums_of(input, &mut seen, work, out);
        work.give(seen);
        made
    }

    fn sums_of(&self, input: &Block, seen: &mut Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let input = match (&self.preprocessor, &self.trees) {
            (Some(part), _) => {
                part.run(Method::Transform, input, work, seen)?;
                &*seen
            }
            (None, Grown::Single(_)) => {
                validate(&self.name, input, self.columns, Allow::All)?;
                single(input, seen);
                &*seen
            }
            (None, Grown::Double(_)) => input,
        };
        validate(&self.name, input, self.columns, self.allow)?;
        out.reset(input.rows(), self.outputs, Kind::Double);
        self.start.fill(input, work, out)?;
        match &self.trees {
            Grown::Single(trees) => add(trees, input, &mut work.scratch, out),
            Grown::Double(trees) => add(trees, input, &mut work.scratch, out),
        }
        Ok(())
    }

    fn decide(&self, sums: &Block, out: &mut Block) {
        if sums.width() > 1 {
            return argmax(sums, out);
        }
        out.reset(sums.rows(), 1, Kind::Class);
        for (class, &sum) in out.column_mut(0).iter_mut().zip(sums.column(0)) {
            *class = f64::from(u8::from(sum > 0.0 || (sum == 0.0 && self.zero_is_second)));
        }
    }
}

impl Part for GradientBoosting {
    fn has(&self, method: Method) -> bool {
        match method {
            Method::Predict => true,
            Method::Proba | Method::Decision => !self.labels.is_empty(),
            Method::LogProba => !self.labels.is_empty() && has_logarithms(&self.name),
            Method::Transform => false,
        }
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        if self.labels.is_empty() || method == Method::Decision {
            self.sums(input, work, out)?;
            if self.inverse == Inverse::Exponential {
                out.map(f64::exp);
            }
            return Ok(());
        }
        let mut sums = work.take();
        self.sums(input, work, &mut sums)?;
        match (method, self.inverse) {
            (Method::Predict, _) => self.decide(&sums, out),
            (_, Inverse::Softmax) => {
                out.reset(sums.rows(), sums.width(), Kind::Double);
                out.copy(0, &sums);
                softmax(out);
            }
            (_, inverse) => {
                sums.map(|sum| expit(if inverse == Inverse::Double { 2.0 * sum } else { sum }));
                both(&sums, out);
            }
        }
        work.give(sums);
        if method == Method::LogProba {
            logarithm(out);
        }
        Ok(())
    }

    fn labels(&self) -> &[Labels] {
        &self.labels
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn rows(&self, _lent: bool) -> usize {
        match &self.trees {
            Grown::Single(trees) => trees.rows(),
            Grown::Double(trees) => trees.rows(),
        }
    }

    fn memory(&self) -> usize {
        let trees = match &self.trees {
            Grown::Single(trees) => trees.memory(),
            Grown::Double(trees) => trees.memory(),
        };
        trees + self.preprocessor.as_ref().map_or(0, |part| part.memory())
    }
}
