//! Rows as sums of a few atoms of a dictionary.

/// The atoms of a dictionary, as the matrix of the products of each two of them.
#[derive(Debug, Clone)]
pub struct Atoms {
    count: usize,
    gram: Vec<f64>,
}

/// Working memory for one row.
#[derive(Debug, Default)]
pub struct Search {
    /// All atoms. Those that were chosen come first, in the order of their choice.
    order: Vec<usize>,
    /// The product of each atom with what the chosen atoms leave of the row.
    rest: Vec<f64>,
    /// The Cholesky factor, a lower triangle, of the products of the chosen atoms, row by row.
    factor: Vec<f64>,
    /// The chosen atoms' shares.
    shares: Vec<f64>,
}

impl Atoms {
    /// The atoms are rows of `width` numbers.
    pub fn new(rows: &[f64], width: usize) -> Self {
        let rows: Vec<&[f64]> = rows.chunks_exact(width.max(1)).collect();
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let gram = rows.iter().flat_map(|a| rows.iter().map(|b| product(a, b))).collect();
        Self { count: rows.len(), gram }
    }

    fn product(&self, a: usize, b: usize) -> f64 {
        self.gram[a * self.count + b]
    }

    /// Orthogonal matching pursuit: writes each atom's share in a row whose products with the atoms are given, zero but for at
    /// most `most` atoms. The form that grows a Cholesky factor: R. Rubinstein, M. Zibulevsky, M. Elad, "Efficient implementation
    /// of the K-SVD algorithm using batch orthogonal matching pursuit" (2008). It ends early, as scikit-learn does, where no atom
    /// has anything to add or one depends on those that were chosen.
    pub fn pursue(&self, products: &[f64], most: usize, search: &mut Search, shares: &mut [f64]) {
        search.begin(products, most);
        let mut chosen = 0;
        while chosen < most.min(self.count) {
            let Some(place) = search.choose(chosen) else { break };
            let atom = search.order[place];
            let Some(end) = self.grow(atom, chosen, most, search) else { break };
            search.factor[chosen * most + chosen] = end;
            search.order.swap(chosen, place);
            chosen += 1;
            search.solve(products, chosen, most);
            for (atom, rest) in search.rest.iter_mut().enumerate() {
                let told = search.order.iter().zip(&search.shares).map(|(&other, share)| self.product(atom, other) * share);
                *rest = products[atom] - told.sum::<f64>();
            }
        }
        shares.fill(0.0);
        search.order.iter().zip(&search.shares).for_each(|(&atom, &share)| shares[atom] = share);
    }

    /// Writes the factor's next row but for its last number, which is returned; `None` where the atom depends on the chosen ones.
    fn grow(&self, atom: usize, chosen: usize, most: usize, search: &mut Search) -> Option<f64> {
        let mut told = 0.0;
        for row in 0..chosen {
            let (above, next) = search.factor.split_at_mut(chosen * most);
            let done: f64 = above[row * most..][..row].iter().zip(next.iter()).map(|(a, b)| a * b).sum();
            next[row] = (self.product(atom, search.order[row]) - done) / above[row * most + row];
            told += next[row] * next[row];
        }
        let left = self.product(atom, atom) - told;
        (chosen == 0 || left > f64::EPSILON).then(|| left.sqrt())
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        self.gram.len() * 8
    }
}

impl Search {
    fn begin(&mut self, products: &[f64], most: usize) {
        self.order.clear();
        self.order.extend(0..products.len());
        self.rest.clear();
        self.rest.extend_from_slice(products);
        self.factor.resize(most * most, 0.0);
        self.shares.clear();
    }

    /// The place of the atom with the most to add, unless it was chosen or has nothing to add.
    fn choose(&self, chosen: usize) -> Option<usize> {
        let size = |place: usize| self.rest[self.order[place]].abs();
        let best = (1..self.order.len()).fold(0, |best, place| if size(place) > size(best) { place } else { best });
        let rest = size(best);
        (best >= chosen && rest * rest >= f64::EPSILON).then_some(best)
    }

    /// The shares of the chosen atoms.
    fn solve(&mut self, products: &[f64], chosen: usize, most: usize) {
        let factor = |row: usize, column: usize| self.factor[row * most + column];
        self.shares.clear();
        for row in 0..chosen {
            let done: f64 = (0..row).map(|at| factor(row, at) * self.shares[at]).sum();
            self.shares.push((products[self.order[row]] - done) / factor(row, row));
        }
        for row in (0..chosen).rev() {
            let done: f64 = (row + 1..chosen).map(|at| factor(at, row) * self.shares[at]).sum();
            self.shares[row] = (self.shares[row] - done) / factor(row, row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(rows: &[f64], width: usize, row: &[f64], most: usize) -> Vec<f64> {
        let products: Vec<f64> = rows.chunks_exact(width).map(|atom| atom.iter().zip(row).map(|(a, b)| a * b).sum()).collect();
        let mut shares = vec![f64::NAN; products.len()];
        Atoms::new(rows, width).pursue(&products, most, &mut Search::default(), &mut shares);
        shares
    }

    #[test]
    fn the_atoms_with_the_most_to_add_are_chosen() {
        let unit = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        assert_eq!(shares(&unit, 3, &[3.0, -5.0, 1.0], 2), [3.0, -5.0, 0.0]);
        // Nothing to add, and atoms that depend on one another.
        assert_eq!(shares(&unit, 3, &[0.0, 2.0, 0.0], 3), [0.0, 2.0, 0.0]);
        assert_eq!(shares(&[0.6, 0.8, 0.6, 0.8], 2, &[0.6, 0.8], 2), [1.0, 0.0]);
        // sklearn.linear_model.orthogonal_mp_gram of atoms that are not orthogonal.
        let skew = shares(&[1.0, 0.0, 0.6, 0.8], 2, &[2.0, 1.0], 2);
        assert!((skew[0] - 1.25).abs() < 1e-15 && (skew[1] - 1.25).abs() < 1e-15, "{skew:?}");
    }
}
