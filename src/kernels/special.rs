//! Special functions.

/// The value below which a share of the standard normal distribution lies: algorithm AS 241 of M. J. Wichura, "The percentage
/// points of the normal distribution", Applied Statistics 37 (1988). Infinite at 0 and 1.
#[expect(clippy::excessive_precision, reason = "as they are published")]
pub fn normal_quantile(share: f64) -> f64 {
    // Both by descending powers, the constant last.
    fn ratio<const A: usize, const B: usize>(x: f64, above: [f64; A], below: [f64; B]) -> f64 {
        let value = |factors: &[f64]| factors.iter().fold(0.0, |sum, factor| sum * x + factor);
        value(&above) / value(&below)
    }
    let middle = share - 0.5;
    if middle.abs() <= 0.425 {
        let above = [
            2.5090809287301226727e3,
            3.3430575583588128105e4,
            6.7265770927008700853e4,
            4.5921953931549871457e4,
            1.3731693765509461125e4,
            1.9715909503065514427e3,
            1.3314166789178437745e2,
            3.3871328727963666080e0,
        ];
        let below = [
            5.2264952788528545610e3,
            2.8729085735721942674e4,
            3.9307895800092710610e4,
            2.1213794301586595867e4,
            5.3941960214247511077e3,
            6.8718700749205790830e2,
            4.2313330701600911252e1,
            1.0,
        ];
        return middle * ratio(0.180625 - middle * middle, above, below);
    }
    let root = (-(if middle < 0.0 { share } else { 1.0 - share }).ln()).sqrt();
    let size = if root.is_infinite() {
        f64::INFINITY
    } else if root <= 5.0 {
        let above = [
            7.74545014278341407640e-4,
            2.27238449892691845833e-2,
            2.41780725177450611770e-1,
            1.27045825245236838258e0,
            3.64784832476320460504e0,
            5.76949722146069140550e0,
            4.63033784615654529590e0,
            1.42343711074968357734e0,
        ];
        let below = [
            1.05075007164441684324e-9,
            5.47593808499534494600e-4,
            1.51986665636164571966e-2,
            1.48103976427480074590e-1,
            6.89767334985100004550e-1,
            1.67638483018380384940e0,
            2.05319162663775882187e0,
            1.0,
        ];
        ratio(root - 1.6, above, below)
    } else {
        let above = [
            2.01033439929228813265e-7,
            2.71155556874348757815e-5,
            1.24266094738807843860e-3,
            2.65321895265761230930e-2,
            2.96560571828504891230e-1,
            1.78482653991729133580e0,
            5.46378491116411436990e0,
            6.65790464350110377720e0,
        ];
        let below = [
            2.04426310338993978564e-15,
            1.42151175831644588870e-7,
            1.84631831751005468180e-5,
            7.86869131145613259100e-4,
            1.48753612908506148525e-2,
            1.36929880922735805310e-1,
            5.99832206555887937690e-1,
            1.0,
        ];
        ratio(root - 5.0, above, below)
    };
    if middle < 0.0 { -size } else { size }
}

/// The digamma function of a number above zero: by recurrence up to where its asymptotic series is accurate.
pub fn digamma(mut x: f64) -> f64 {
    // Bernoulli's numbers over twice their place, by ascending powers of 1 / x².
    const SERIES: [f64; 7] = [1.0 / 12.0, -1.0 / 120.0, 1.0 / 252.0, -1.0 / 240.0, 1.0 / 132.0, -691.0 / 32760.0, 1.0 / 12.0];
    let mut below = 0.0;
    while x < 10.0 {
        below += 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = SERIES.iter().rev().fold(0.0, |sum, factor| (sum + factor) * square);
    x.ln() - 0.5 / x - series - below
}

/// The same with the eight or nine digits of algorithm AS 103 of J. M. Bernardo, "Psi (digamma) function", Applied Statistics 25
/// (1976), as scikit-learn computes it: its topics are defined by these digits.
pub fn short_digamma(mut x: f64) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    if x <= 1e-6 {
        return -EULER - 1.0 / x;
    }
    let mut sum = 0.0;
    while x < 6.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let over = 1.0 / x;
    sum += x.ln() - 0.5 * over;
    let square = over * over;
    sum - square * (1.0 / 12.0 - square * (1.0 / 120.0 - square * (1.0 / 252.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, wanted: f64) {
        assert!((found - wanted).abs() <= 2e-15 * wanted.abs().max(1.0), "{found:e}, expected {wanted:e}");
    }

    #[test]
    fn functions_are_scipys() {
        // scipy.special.ndtri and psi.
        for (share, wanted) in NORMAL {
            near(normal_quantile(share), wanted);
        }
        for (x, wanted) in DIGAMMA {
            near(digamma(x), wanted);
        }
        // sklearn.decomposition._online_lda_fast, of [[x, 100]] and [[x, 0.5]].
        near(short_digamma(7.5) - short_digamma(107.5), -2.726_074_989_891_596);
        near(short_digamma(0.1) - short_digamma(0.6), -8.883_135_727_480_532);
        near(short_digamma(1e-7) - short_digamma(0.500_000_1), -9_999_998.613_706_13);
        assert_eq!((normal_quantile(0.0), normal_quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    }

    const NORMAL: [(f64, f64); 6] = [
        (0.5, 0.0),
        (0.2, -0.8416212335729142),
        (0.93, 1.475791028179171),
        (0.001, -3.090232306167813),
        (0.9999, 3.719016485455709),
        (1e-13, -7.348796102800677),
    ];
    const DIGAMMA: [(f64, f64); 4] =
        [(0.1, -10.423754940411076), (1.0, -0.5772156649015329), (7.5, 1.9467574842460866), (120.0, 4.783319289118529)];
}
