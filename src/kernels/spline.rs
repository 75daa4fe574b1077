//! Values of B-splines.

/// The B-splines of one degree over one row of knots.
#[derive(Debug, Clone)]
pub struct Basis {
    knots: Vec<f64>,
    degree: usize,
}

impl Basis {
    /// `None` where the knots are too few, not finite or not in order.
    pub fn new(knots: Vec<f64>, degree: usize) -> Option<Self> {
        let ordered = knots.windows(2).all(|pair| pair[0] <= pair[1]) && knots.iter().all(|knot| knot.is_finite());
        (ordered && degree < knots.len() && knots.len() - degree >= degree + 2).then_some(Self { knots, degree })
    }

    /// How many splines there are.
    pub fn count(&self) -> usize {
        self.knots.len() - self.degree - 1
    }

    /// The first and last knot after leaving out `outer` knots at each end. Leaving out as many as the degree gives the interval
    /// in which the splines add up to one.
    pub fn ends(&self, outer: usize) -> Option<(f64, f64)> {
        let last = self.knots.len().checked_sub(outer + 1)?;
        (outer <= last).then(|| (self.knots[outer], self.knots[last]))
    }

    /// The last knot that is no greater, of those an interval between which splines add up to one begins with.
    fn interval(&self, x: f64) -> usize {
        let starts = &self.knots[self.degree..self.count()];
        self.degree + starts.partition_point(|&knot| knot <= x).saturating_sub(1)
    }

    /// Writes the values at `x` of the splines that are not zero there, one more than their degree, and returns which is the
    /// first. Outside of the interval in which they add up to one the polynomials of the nearest interval go on. By de Boor's
    /// recurrence; see C. de Boor, "A Practical Guide to Splines" (1978), chapter X.
    pub fn values(&self, x: f64, out: &mut [f64]) -> usize {
        let interval = self.interval(x);
        self.raise(interval, x, self.degree, out);
        interval - self.degree
    }

    /// The same of the first derivatives.
    pub fn slopes(&self, x: f64, out: &mut [f64]) -> usize {
        let interval = self.interval(x);
        match self.degree.checked_sub(1) {
            None => out.fill(0.0),
            Some(below) => {
                self.raise(interval, x, below, out);
                let factor = self.degree as f64;
                self.step(interval, self.degree, out, |carried, _, _, width| {
                    (-factor * carried / width, factor * carried / width)
                });
            }
        }
        interval - self.degree
    }

    /// The values of splines of a lower or the same degree.
    fn raise(&self, interval: usize, x: f64, degree: usize, out: &mut [f64]) {
        out.fill(0.0);
        out[0] = 1.0;
        for degree in 1..=degree {
            self.step(interval, degree, out, |carried, left, right, width| {
                let share = carried / width;
                (share * (right - x), share * (x - left))
            });
        }
    }

    /// From splines of one degree less: `parts` says what each of them, by its value and interval, adds to the two of this degree
    /// that depend on it.
    fn step(&self, interval: usize, degree: usize, out: &mut [f64], parts: impl Fn(f64, f64, f64, f64) -> (f64, f64)) {
        let mut to_right = 0.0;
        for (at, value) in out[..degree].iter_mut().enumerate() {
            let (left, right) = (self.knots[interval + at + 1 - degree], self.knots[interval + at + 1]);
            let (stays, goes) = if left == right { (0.0, 0.0) } else { parts(*value, left, right, right - left) };
            *value = to_right + stays;
            to_right = goes;
        }
        out[degree] = to_right;
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        self.knots.len() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_slopes_are_scipys() {
        // BSpline(t, identity, 2)(x), with nu=0 and nu=1, of t = [0, 1, 2, 4, 5, 7, 8].
        let basis = Basis::new(vec![0.0, 1.0, 2.0, 4.0, 5.0, 7.0, 8.0], 2).unwrap();
        assert_eq!((basis.count(), basis.ends(2), basis.ends(4)), (4, Some((2.0, 5.0)), None));
        let mut out = [0.0; 3];
        assert_eq!(basis.values(2.5, &mut out), 0);
        assert_eq!(out, [0.375, 0.583_333_333_333_333_3, 0.041_666_666_666_666_664]);
        assert_eq!(basis.slopes(2.5, &mut out), 0);
        assert_eq!(out, [-0.5, 0.333_333_333_333_333_37, 0.166_666_666_666_666_66]);
        // Beyond the last interval its polynomials go on.
        assert_eq!(basis.values(5.5, &mut out), 1);
        assert_eq!(out, [0.083_333_333_333_333_33, 0.166_666_666_666_666_74, 0.75]);
    }

    #[test]
    fn knots_that_coincide_divide_nothing() {
        let basis = Basis::new(vec![0.0, 1.0, 2.0, 2.0, 4.0, 5.0, 6.0], 2).unwrap();
        let mut out = [0.0; 3];
        assert_eq!((basis.values(3.0, &mut out), out), (1, [0.25, 0.583_333_333_333_333_3, 0.166_666_666_666_666_66]));
        assert_eq!((basis.slopes(2.0, &mut out), out), (1, [-1.0, 1.0, 0.0]));
        assert!(Basis::new(vec![2.0, 1.0, 3.0, 4.0], 1).is_none() && Basis::new(vec![1.0, 2.0], 1).is_none());
    }
}
