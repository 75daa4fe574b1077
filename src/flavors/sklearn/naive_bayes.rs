//! `sklearn.naive_bayes`: classes by their joint logarithmic likelihoods.

use crate::{
    error::{Error, Kind as ErrorKind, Result},
    flavors::sklearn::base::{
        Allow, Classifier, Classify, Estimator, Made, View, Work, discriminant::normalized, labels, python, width,
    },
    kernels::{
        block::{Block, Kind},
        dense::{Affine, argmax},
    },
};

/// The joint logarithmic likelihood of each class.
enum Likelihood {
    /// A linear map of the columns, or of whether their values are above a number.
    Linear { affine: Affine, above: Option<f64> },
    /// Normal distributions with a mean and a variance for each class and column.
    Normal { means: Vec<f64>, variances: Vec<f64>, constants: Vec<f64> },
    /// Tables with a logarithm for each column, class and category.
    Tables { tables: Vec<(usize, Vec<f64>)>, prior: Vec<f64> },
}

struct Bayes {
    likelihood: Likelihood,
    classes: usize,
}

fn made(view: View<'_>, likelihood: Likelihood) -> Made<Estimator> {
    let (classes, columns) = (labels(view)?.len(), width(view)?);
    let fits = match &likelihood {
        Likelihood::Linear { affine, .. } => affine.inputs() == columns && affine.outputs() == classes,
        Likelihood::Normal { means, variances, constants } => {
            means.len() == classes * columns && variances.len() == means.len() && constants.len() == classes
        }
        Likelihood::Tables { tables, prior } => {
            let fits = |(count, table): &(usize, Vec<f64>)| table.len() == count * classes;
            tables.len() == columns && prior.len() == classes && tables.iter().all(fits)
        }
    };
    match fits {
        true => Classifier::shared(view, Allow::Finite, Bayes { likelihood, classes }),
        false => python(format!("{}: its classes and tables do not fit together", view.name())),
    }
}

fn linear(view: View<'_>, weights: Vec<f64>, bias: Vec<f64>, above: Option<f64>) -> Made<Estimator> {
    match Affine::new(width(view)?, weights, bias, false) {
        Some(affine) => made(view, Likelihood::Linear { affine, above }),
        None => python(format!("{}: its classes and tables do not fit together", view.name())),
    }
}

/// `GaussianNB`
pub fn gaussian(view: View<'_>) -> Made<Estimator> {
    let means = view.floats_of("theta_")?;
    let variances = view.find("var_").or_else(|| view.find("sigma_")).map_or_else(|| view.get("var_"), Ok)?.floats()?;
    let prior = view.floats_of("class_prior_")?;
    let columns = width(view)?.max(1);
    let constant = |(prior, variances): (&f64, &[f64])| {
        let logs: f64 = variances.iter().map(|variance| (2.0 * std::f64::consts::PI * variance).ln()).sum();
        prior.ln() - 0.5 * logs
    };
    let constants = prior.iter().zip(variances.chunks(columns)).map(constant).collect();
    made(view, Likelihood::Normal { means, variances, constants })
}

/// `MultinomialNB`
pub fn multinomial(view: View<'_>) -> Made<Estimator> {
    linear(view, view.floats_of("feature_log_prob_")?, view.floats_of("class_log_prior_")?, None)
}

/// `ComplementNB`
pub fn complement(view: View<'_>) -> Made<Estimator> {
    let prior = view.floats_of("class_log_prior_")?;
    let bias = if prior.len() == 1 { prior } else { vec![0.0; prior.len()] };
    linear(view, view.floats_of("feature_log_prob_")?, bias, None)
}

/// `BernoulliNB`
pub fn bernoulli(view: View<'_>) -> Made<Estimator> {
    let logs = view.floats_of("feature_log_prob_")?;
    let negative: Vec<f64> = logs.iter().map(|log| (1.0 - log.exp()).ln()).collect();
    let weights = logs.iter().zip(&negative).map(|(log, negative)| log - negative).collect();
    let columns = width(view)?.max(1);
    let prior = view.floats_of("class_log_prior_")?;
    let bias = prior.iter().zip(negative.chunks(columns)).map(|(prior, logs)| prior + logs.iter().sum::<f64>()).collect();
    linear(view, weights, bias, view.find("binarize").and_then(View::number))
}

/// `CategoricalNB`
pub fn categorical(view: View<'_>) -> Made<Estimator> {
    let table = |table: View<'_>| {
        let array = table.array()?;
        Ok((array.shape.last().copied().unwrap_or(0), table.floats()?))
    };
    let tables = view.get("feature_log_prob_")?.items().into_iter().map(table).collect::<Made<_>>()?;
    made(view, Likelihood::Tables { tables, prior: view.floats_of("class_log_prior_")? })
}

impl Bayes {
    fn joint(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        match &self.likelihood {
            Likelihood::Linear { affine, above: None } => affine.apply(input, out),
            Likelihood::Linear { affine, above: Some(above) } => {
                let mut flags = work.take();
                let flag = |value: f64| f64::from(u8::from(value > *above));
                match input.sparse() {
                    Some(sparse) => {
                        let to = flags.reset_sparse(input.rows(), input.width());
                        for row in 0..input.rows() {
                            sparse.row(row).for_each(|(column, value)| to.push(column, flag(value)));
                            to.end_row();
                        }
                    }
                    None => {
                        flags.reset(input.rows(), input.width(), Kind::Double);
                        flags.copy(0, input);
                        flags.map(flag);
                    }
                }
                affine.apply(&flags, out);
                work.give(flags);
            }
            Likelihood::Normal { means, variances, constants } => {
                out.reset(input.rows(), self.classes, Kind::Double);
                #[expect(clippy::needless_range_loop, reason = "a class is a column, a stretch of the means and a constant")]
                for class in 0..self.classes {
                    let sums = out.column_mut(class);
                    sums.fill(0.0);
                    for (column, values) in input.columns().enumerate() {
                        let at = class * input.width() + column;
                        for (sum, value) in sums.iter_mut().zip(values) {
                            let distance = value - means[at];
                            *sum += distance * distance / variances[at];
                        }
                    }
                    sums.iter_mut().for_each(|sum| *sum = constants[class] - 0.5 * *sum);
                }
            }
            Likelihood::Tables { tables, prior } => {
                out.reset(input.rows(), self.classes, Kind::Double);
                for class in 0..self.classes {
                    out.column_mut(class).fill(0.0);
                    for (column, (count, table)) in tables.iter().enumerate() {
                        for (row, &value) in input.column(column).iter().enumerate() {
                            // The library converts values to whole numbers first.
                            let category = value.trunc();
                            if !(0.0..*count as f64).contains(&category) {
                                let message = format!("the category {value} of column {column} was not in the training data");
                                return Err(Error::new(ErrorKind::InvalidArgument, "UNKNOWN_CATEGORY", message).row(row as u64));
                            }
                            out.column_mut(class)[row] += table[class * count + category as usize];
                        }
                    }
                    out.column_mut(class).iter_mut().for_each(|sum| *sum += prior[class]);
                }
            }
        }
        Ok(())
    }
}

impl Classify for Bayes {
    fn takes_sparse(&self) -> bool {
        // Zeros must not become ones when values are compared with the number.
        matches!(self.likelihood, Likelihood::Linear { above, .. } if above.is_none_or(|above| above >= 0.0))
    }

    fn probabilities(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        self.logarithms(input, work, out)?;
        out.map(f64::exp);
        Ok(())
    }

    fn logarithms(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        self.joint(input, work, out)?;
        normalized(out);
        Ok(())
    }

    fn predict(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut joint = work.take();
        let made = self.joint(input, work, &mut joint);
        if made.is_ok() {
            argmax(&joint, out);
        }
        work.give(joint);
        made
    }

    fn memory(&self) -> usize {
        match &self.likelihood {
            Likelihood::Linear { affine, .. } => affine.memory(),
            Likelihood::Normal { means, .. } => means.len() * 16,
            Likelihood::Tables { tables, .. } => tables.iter().map(|(_, table)| table.len() * 8).sum(),
        }
    }
}
