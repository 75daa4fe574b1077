//! `MLPClassifier` and `MLPRegressor`

use std::sync::Arc;

use crate::{
    error::Result,
    flavors::sklearn::base::{
        Allow, Classifier, Classify, Estimator, Frame, Made, Method, Part, View, Work, frame, labels, python, validate, width,
    },
    kernels::{
        block::Block,
        dense::{Affine, both, decide, expit, softmax},
    },
};

#[derive(Clone, Copy, PartialEq)]
enum Activation {
    Identity,
    Logistic,
    Tanh,
    Relu,
    Softmax,
    /// The output activation of a regressor with Poisson loss.
    Exponential,
}

impl Activation {
    fn new(name: &str) -> Made<Self> {
        Ok(match name {
            "identity" => Self::Identity,
            "logistic" => Self::Logistic,
            "tanh" => Self::Tanh,
            "relu" => Self::Relu,
            "softmax" => Self::Softmax,
            "exp" => Self::Exponential,
            other => return python(format!("activation '{other}'")),
        })
    }

    fn apply(self, block: &mut Block) {
        match self {
            Self::Identity => {}
            Self::Logistic => block.map(expit),
            Self::Tanh => block.map(f64::tanh),
            Self::Relu => block.map(|value| if value > 0.0 { value } else { 0.0 }),
            Self::Softmax => softmax(block),
            Self::Exponential => block.map(f64::exp),
        }
    }
}

/// Layers one after another.
struct Network {
    layers: Vec<Affine>,
    hidden: Activation,
    last: Activation,
}

fn network(view: View<'_>) -> Made<Network> {
    let (weights, bias) = (view.get("coefs_")?.items(), view.get("intercepts_")?.items());
    let mut inputs = width(view)?;
    let mut layers = Vec::new();
    for (weights, bias) in weights.into_iter().zip(bias) {
        let [rows, columns] = weights.array()?.shape[..] else { return weights.wrong("a layer") };
        let values = weights.floats()?;
        // The library stores the weights of a layer by input, the kernel by output.
        let by_output = (0..columns).flat_map(|output| (0..rows).map(move |input| input * columns + output));
        let layer = Affine::new(rows, by_output.map(|at| values[at]).collect(), bias.floats()?, false);
        match layer.filter(|layer| layer.inputs() == inputs) {
            Some(layer) => {
                inputs = layer.outputs();
                layers.push(layer);
            }
            None => return python(format!("{}: its layers do not fit together", view.name())),
        }
    }
    if layers.is_empty() {
        return python(format!("{}: it has no layers", view.name()));
    }
    let (hidden, last) = (Activation::new(view.word("activation"))?, Activation::new(view.word("out_activation_"))?);
    Ok(Network { layers, hidden, last })
}

impl Network {
    fn forward(&self, input: &Block, work: &mut Work, out: &mut Block) {
        let (mut from, mut to) = (work.take(), work.take());
        for (at, layer) in self.layers.iter().enumerate() {
            layer.apply(if at == 0 { input } else { &from }, &mut to);
            std::mem::swap(&mut from, &mut to);
            if at + 1 < self.layers.len() {
                self.hidden.apply(&mut from);
            }
        }
        self.last.apply(&mut from);
        std::mem::swap(out, &mut from);
        work.give(from);
        work.give(to);
    }

    fn memory(&self) -> usize {
        self.layers.iter().map(Affine::memory).sum()
    }
}

/// `MLPClassifier`
pub fn classifier(view: View<'_>) -> Made<Estimator> {
    let network = network(view)?;
    let classes = labels(view)?.len();
    let outputs = network.layers.last().map_or(0, Affine::outputs);
    if view.find("_label_binarizer").is_some_and(|binarizer| binarizer.word("y_type_").starts_with("multilabel")) {
        return python("MLPClassifier: it gives several labels a row");
    }
    match outputs == if classes == 2 { 1 } else { classes } {
        true => Classifier::shared(view, Allow::Finite, network),
        false => python("MLPClassifier: its layers and classes do not fit together"),
    }
}

impl Classify for Network {
    fn probabilities(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut scores = work.take();
        self.forward(input, work, &mut scores);
        match scores.width() {
            1 => both(&scores, out),
            width => {
                out.reset(scores.rows(), width, scores.kind());
                out.copy(0, &scores);
            }
        }
        work.give(scores);
        Ok(())
    }

    fn predict(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut scores = work.take();
        self.forward(input, work, &mut scores);
        if scores.width() == 1 {
            // The threshold between the two labels, 0 and 1.
            scores.map(|score| score - 0.5);
        }
        decide(&scores, out);
        work.give(scores);
        Ok(())
    }

    fn memory(&self) -> usize {
        self.memory()
    }
}

struct Regressor {
    network: Network,
    frame: Frame,
}

/// `MLPRegressor`
pub fn regressor(view: View<'_>) -> Made<Estimator> {
    Ok(Arc::new(Regressor { network: network(view)?, frame: frame(view) }))
}

impl Part for Regressor {
    fn has(&self, method: Method) -> bool {
        method == Method::Predict
    }

    fn run(&self, _: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        validate("MLPRegressor", input, self.network.layers[0].inputs(), Allow::Finite)?;
        self.network.forward(input, work, out);
        Ok(())
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.network.memory()
    }
}
