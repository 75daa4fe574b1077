//! Missing values filled in with those of the nearest rows that have them.

/// Rows whose values are filled in, with NaN where they have none.
#[derive(Debug)]
pub struct Donors {
    columns: usize,
    /// From how many rows a value is averaged.
    count: usize,
    /// The values row by row.
    rows: Vec<f64>,
    /// For each column what is filled in where no row shares a column with the one that is filled.
    means: Vec<f64>,
}

/// Working memory.
#[derive(Debug, Default)]
pub struct Offers {
    distances: Vec<f64>,
    near: Vec<(f64, u32)>,
    filled: Vec<(usize, f64)>,
}

impl Donors {
    /// `None` where the rows do not have `columns` columns.
    pub fn new(columns: usize, count: usize, rows: Vec<f64>) -> Option<Self> {
        let fits = columns > 0 && count > 0 && rows.len().is_multiple_of(columns) && u32::try_from(rows.len()).is_ok();
        if !fits {
            return None;
        }
        let mean = |column: usize| {
            let values = rows.iter().skip(column).step_by(columns).filter(|value| !value.is_nan());
            let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
            sum / count
        };
        let means = (0..columns).map(mean).collect();
        Some(Self { columns, count, rows, means })
    }

    /// Whether some row has a value of a column.
    pub fn have(&self, column: usize) -> bool {
        !self.means[column].is_nan()
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        (self.rows.len() + self.means.len()) * 8
    }

    /// Fills in the NaN of a row, but for columns of which no row has a value.
    pub fn fill(&self, row: &mut [f64], offers: &mut Offers) {
        if !row.iter().enumerate().any(|(column, value)| value.is_nan() && self.have(column)) {
            return;
        }
        offers.distances.clear();
        offers.distances.extend(self.rows.chunks_exact(self.columns).map(|donor| self.distance(row, donor)));
        offers.filled.clear();
        for column in (0..self.columns).filter(|&column| row[column].is_nan() && self.have(column)) {
            let value = self.offer(column, &offers.distances, &mut offers.near);
            offers.filled.push((column, value));
        }
        offers.filled.iter().for_each(|&(column, value)| row[column] = value);
    }

    /// The squared distance over the columns that both rows have, scaled up to all columns; NaN where they share none.
    fn distance(&self, row: &[f64], donor: &[f64]) -> f64 {
        let (mut sum, mut common) = (0.0, 0u32);
        for (value, other) in row.iter().zip(donor) {
            let difference = value - other;
            if !difference.is_nan() {
                sum += difference * difference;
                common += 1;
            }
        }
        if common == 0 { f64::NAN } else { sum / f64::from(common) * self.columns as f64 }
    }

    fn offer(&self, column: usize, distances: &[f64], near: &mut Vec<(f64, u32)>) -> f64 {
        let value = |at: u32| self.rows[at as usize * self.columns + column];
        near.clear();
        let known = |&(distance, at): &(f64, u32)| !distance.is_nan() && !value(at).is_nan();
        near.extend(distances.iter().copied().zip(0..).filter(known));
        if near.is_empty() {
            return self.means[column];
        }
        let count = self.count.min(near.len());
        near.select_nth_unstable_by(count - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        near[..count].iter().map(|&(_, at)| value(at)).sum::<f64>() / count as f64
    }
}
