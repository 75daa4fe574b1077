//! A linear booster: the intercept and then the term of each feature in order, summed in single precision.

/// Margins of a block of rows. `weights` holds the weight of feature `f` for output `o` at `f * outputs + o`, then one
/// intercept an output; `columns` is one run of `stride` values a feature. A missing value adds nothing.
pub fn margins(weights: &[f32], base: &[f32], columns: &[f32], stride: usize, rows: usize, out: &mut [f32]) {
    let outputs = base.len();
    let features = weights.len() / outputs - 1;
    for (output, out) in out.chunks_exact_mut(stride).take(outputs).enumerate() {
        // XGBoost takes the first output's base score for every output.
        out[..rows].fill(weights[features * outputs + output] + base[0]);
        for (feature, column) in columns.chunks_exact(stride).enumerate() {
            let weight = weights[feature * outputs + output];
            for (sum, value) in out[..rows].iter_mut().zip(column) {
                if !value.is_nan() {
                    *sum += value * weight;
                }
            }
        }
    }
}
