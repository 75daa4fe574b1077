//! `sklearn.gaussian_process`

use std::sync::Arc;

use crate::{
    error::Result,
    flavors::sklearn::base::{Allow, Estimator, Frame, Made, Method, Part, View, Work, frame, python, validate, width},
    kernels::block::{Block, Kind},
};

/// How deeply kernels may nest.
const MAX_DEPTH: usize = 16;

/// A kernel function of two rows, as in `sklearn.gaussian_process.kernels`.
enum Kernel {
    Sum(Box<[Kernel; 2]>),
    Product(Box<[Kernel; 2]>),
    Power(Box<Kernel>, f64),
    /// A constant; zero for white noise, which two different rows do not share.
    Constant(f64),
    /// The dot product plus a constant.
    Dot(f64),
    /// A function of the distance, with each column divided by its length scale.
    Distance {
        scales: Vec<f64>,
        shape: Shape,
    },
}

#[derive(Clone, Copy)]
enum Shape {
    Radial,
    Exponential,
    /// Matérn's of 3/2 and 5/2.
    Once,
    Twice,
    Rational {
        alpha: f64,
        scale: f64,
    },
    Periodic {
        period: f64,
        scale: f64,
    },
}

fn kernel(view: View<'_>, columns: usize, depth: usize) -> Made<Kernel> {
    if depth > MAX_DEPTH {
        return python(format!("kernels nest deeper than {MAX_DEPTH}"));
    }
    let both = || -> Made<Box<[Kernel; 2]>> {
        let inner = |name: &str| kernel(view.get(name)?, columns, depth + 1);
        Ok(Box::new([inner("k1")?, inner("k2")?]))
    };
    let scales = || -> Made<Vec<f64>> {
        let scales = view.floats_of("length_scale")?;
        match scales.len() {
            1 => Ok(vec![scales[0]; columns]),
            count if count == columns => Ok(scales),
            _ => python(format!("{}: not a scale for every column", view.name())),
        }
    };
    Ok(match view.name() {
        "Sum" => Kernel::Sum(both()?),
        "Product" => Kernel::Product(both()?),
        "Exponentiation" => Kernel::Power(Box::new(kernel(view.get("kernel")?, columns, depth + 1)?), view.float_of("exponent")?),
        "ConstantKernel" => Kernel::Constant(view.float_of("constant_value")?),
        "WhiteKernel" => Kernel::Constant(0.0),
        "DotProduct" => Kernel::Dot(view.float_of("sigma_0")?.powi(2)),
        "RBF" => Kernel::Distance { scales: scales()?, shape: Shape::Radial },
        "Matern" => {
            let shape = match view.float_of("nu")? {
                0.5 => Shape::Exponential,
                1.5 => Shape::Once,
                2.5 => Shape::Twice,
                f64::INFINITY => Shape::Radial,
                nu => return python(format!("Matern: nu {nu}")),
            };
            Kernel::Distance { scales: scales()?, shape }
        }
        "RationalQuadratic" => {
            let shape = Shape::Rational { alpha: view.float_of("alpha")?, scale: view.float_of("length_scale")? };
            Kernel::Distance { scales: vec![1.0; columns], shape }
        }
        "ExpSineSquared" => {
            let shape = Shape::Periodic { period: view.float_of("periodicity")?, scale: view.float_of("length_scale")? };
            Kernel::Distance { scales: vec![1.0; columns], shape }
        }
        other => return python(format!("kernel '{other}'")),
    })
}

impl Shape {
    /// Of a squared distance.
    fn of(self, square: f64) -> f64 {
        match self {
            Self::Radial => (-0.5 * square).exp(),
            Self::Exponential => (-square.sqrt()).exp(),
            Self::Once => {
                let far = square.sqrt() * 3f64.sqrt();
                (1.0 + far) * (-far).exp()
            }
            Self::Twice => {
                let far = square.sqrt() * 5f64.sqrt();
                (1.0 + far + far * far / 3.0) * (-far).exp()
            }
            Self::Rational { alpha, scale } => (1.0 + square / (2.0 * alpha * scale * scale)).powf(-alpha),
            Self::Periodic { period, scale } => {
                let wave = (std::f64::consts::PI / period * square.sqrt()).sin() / scale;
                (-2.0 * wave * wave).exp()
            }
        }
    }
}

impl Kernel {
    /// The kernel function of every row of a block and one point.
    fn alike(&self, input: &Block, point: &[f64], out: &mut [f64]) {
        match self {
            Self::Constant(number) => out.fill(*number),
            Self::Dot(offset) => {
                out.fill(0.0);
                for (column, place) in input.columns().zip(point) {
                    out.iter_mut().zip(column).for_each(|(sum, value)| *sum += value * place);
                }
                out.iter_mut().for_each(|sum| *sum += offset);
            }
            Self::Distance { scales, shape } => {
                out.fill(0.0);
                for ((column, place), scale) in input.columns().zip(point).zip(scales) {
                    for (sum, value) in out.iter_mut().zip(column) {
                        let difference = value / scale - place / scale;
                        *sum += difference * difference;
                    }
                }
                out.iter_mut().for_each(|sum| *sum = shape.of(*sum));
            }
            Self::Power(kernel, exponent) => {
                kernel.alike(input, point, out);
                out.iter_mut().for_each(|value| *value = value.powf(*exponent));
            }
            Self::Sum(kernels) | Self::Product(kernels) => {
                let [first, second] = &**kernels;
                let mut other = vec![0.0; out.len()];
                first.alike(input, point, out);
                second.alike(input, point, &mut other);
                let sum = matches!(self, Self::Sum(_));
                out.iter_mut().zip(&other).for_each(|(value, other)| if sum { *value += other } else { *value *= other });
            }
        }
    }
}

struct Process {
    frame: Frame,
    kernel: Kernel,
    columns: usize,
    /// The rows it was fitted on.
    points: Vec<f64>,
    /// The weights of each of these rows for each output.
    weights: Vec<f64>,
    /// The standard deviation and the mean of each output in the training data.
    scales: Vec<(f64, f64)>,
}

/// `GaussianProcessRegressor`
pub fn regressor(view: View<'_>) -> Made<Estimator> {
    let (points, rows, columns) = view.matrix_of("X_train_")?;
    let alpha = view.get("alpha_")?;
    let outputs = alpha.array()?.shape.get(1).copied().unwrap_or(1);
    let (weights, means, deviations) = (alpha.floats()?, view.floats_of("_y_train_mean")?, view.floats_of("_y_train_std")?);
    let each = |values: Vec<f64>| if values.len() == 1 { vec![values[0]; outputs] } else { values };
    let (means, deviations) = (each(means), each(deviations));
    let fits = weights.len() == rows * outputs && [means.len(), deviations.len()] == [outputs; 2] && outputs > 0;
    if !fits || columns != width(view)? || columns == 0 {
        return python("GaussianProcessRegressor: its attributes do not fit together");
    }
    let kernel = kernel(view.get("kernel_")?, columns, 0)?;
    let scales = deviations.into_iter().zip(means).collect();
    Ok(Arc::new(Process { frame: frame(view), kernel, columns, points, weights, scales }))
}

impl Part for Process {
    fn has(&self, method: Method) -> bool {
        method == Method::Predict
    }

    fn run(&self, _: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        validate("GaussianProcessRegressor", input, self.columns, Allow::Finite)?;
        let outputs = self.scales.len();
        out.reset_zeros(input.rows(), outputs, Kind::Double);
        let alike = &mut work.numbers;
        alike.clear();
        alike.resize(input.rows(), 0.0);
        for (point, weights) in self.points.chunks_exact(self.columns).zip(self.weights.chunks_exact(outputs)) {
            self.kernel.alike(input, point, alike);
            for (output, weight) in weights.iter().enumerate() {
                out.column_mut(output).iter_mut().zip(alike.iter()).for_each(|(sum, value)| *sum += weight * value);
            }
        }
        for (output, (deviation, mean)) in self.scales.iter().enumerate() {
            out.column_mut(output).iter_mut().for_each(|sum| *sum = deviation * *sum + mean);
        }
        Ok(())
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        (self.points.len() + self.weights.len()) * 8
    }
}
