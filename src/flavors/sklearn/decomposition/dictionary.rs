//! Rows as sums of atoms: `DictionaryLearning`, `MiniBatchDictionaryLearning` and `SparseCoder`.

use crate::{
    error::{Error, Kind as ErrorKind, Result},
    flavors::sklearn::base::{Allow, Estimator, Made, Step, Transform, View, Work, python},
    kernels::{
        block::{Block, Kind},
        dense::Affine,
        pursuit::{Atoms, Search},
    },
};

/// How the shares of the atoms are computed from the products of the atoms with a row.
enum Coding {
    /// By soft thresholding: the part of a product that exceeds this.
    Threshold(f64),
    /// By orthogonal matching pursuit with at most this many atoms.
    Pursuit(Atoms, usize),
}

struct Codes {
    products: Affine,
    coding: Coding,
    /// Whether shares below zero become zero.
    positive: bool,
    /// Whether positive and negative shares have columns of their own.
    split: bool,
}

/// `DictionaryLearning`, `MiniBatchDictionaryLearning`
pub fn learned(view: View<'_>) -> Made<Estimator> {
    codes(view, "components_")
}

/// `SparseCoder`
pub fn coder(view: View<'_>) -> Made<Estimator> {
    codes(view, "dictionary")
}

fn codes(view: View<'_>, dictionary: &str) -> Made<Estimator> {
    let (atoms, count, width) = view.matrix_of(dictionary)?;
    let positive = view.flag("positive_code");
    let coding = match view.word("transform_algorithm") {
        _ if view.is_single(dictionary) => return python(format!("{}: in single precision", view.name())),
        "threshold" => {
            let alpha = view.find("transform_alpha").or_else(|| view.find("alpha")).and_then(View::number);
            Coding::Threshold(alpha.unwrap_or(1.0))
        }
        "omp" if !positive => {
            let most = match view.find("transform_n_nonzero_coefs") {
                Some(_) => view.count_of("transform_n_nonzero_coefs")?,
                None => (width / 10).max(1).min(count),
            };
            if most == 0 || most > count {
                return python(format!("{}: {most} of {count} atoms", view.name()));
            }
            Coding::Pursuit(Atoms::new(&atoms, width), most)
        }
        other => return python(format!("{}: transform_algorithm '{other}'", view.name())),
    };
    let Some(products) = Affine::new(width, atoms, vec![0.0; count], false) else {
        return python(format!("{}: its atoms do not fit together", view.name()));
    };
    let codes = Codes { products, coding, positive, split: view.flag("split_sign") };
    Step::of_width(view, width, Some(Allow::Finite), codes)
}

impl Transform for Codes {
    fn transform(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let count = self.products.outputs();
        match &self.coding {
            Coding::Threshold(alpha) => {
                self.products.apply(input, out);
                let beyond = |product: f64| product.signum() * (product.abs() - alpha).max(0.0);
                out.map(|product| if product == 0.0 { 0.0 } else { beyond(product) });
            }
            Coding::Pursuit(atoms, most) => {
                // With whole numbers and with single precision the library also rounds the products of the atoms.
                if input.kind() != Kind::Double {
                    let message = "matching pursuit of columns that are not of double precision";
                    let error = Error::new(ErrorKind::Unimplemented, "NOT_DOUBLE", message);
                    return Err(error.remedy("cast the columns to double, or load the model with engine=\"python\""));
                }
                let mut products = work.take();
                self.products.apply(input, &mut products);
                out.reset(input.rows(), count, Kind::Double);
                let (mut search, mut row_products, mut shares) = (Search::default(), vec![0.0; count], vec![0.0; count]);
                for row in 0..input.rows() {
                    row_products.iter_mut().enumerate().for_each(|(atom, product)| *product = products.at(row, atom));
                    atoms.pursue(&row_products, *most, &mut search, &mut shares);
                    shares.iter().enumerate().for_each(|(atom, share)| out.column_mut(atom)[row] = *share);
                }
                work.give(products);
            }
        }
        if self.positive {
            out.map(|share| share.max(0.0));
        }
        if self.split {
            let mut below = work.take();
            below.reset(input.rows(), count, Kind::Double);
            below.copy(0, out);
            below.map(|share| -share.min(0.0));
            out.map(|share| share.max(0.0));
            out.append(&below);
            work.give(below);
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        let gram = match &self.coding {
            Coding::Threshold(_) => 0,
            Coding::Pursuit(atoms, _) => atoms.memory(),
        };
        self.products.memory() + gram
    }
}
