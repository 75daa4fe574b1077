//! Which form of the kernels is used.

use crate::error::{Error, Kind, Result};

/// A form of the kernels. All give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// Plain Rust, on any machine.
    Portable,
    /// 256-bit vectors of x86-64.
    Avx2,
    /// 512-bit vectors of x86-64 (AVX-512 F, BW, VL and VBMI) where they are faster, else those of 256 bits.
    Avx512,
}

/// The environment variable that forces a path.
const VARIABLE: &str = "MLFLIGHT_KERNEL";

impl Path {
    /// Every path this CPU can run, the fastest last.
    pub fn available() -> Vec<Self> {
        let mut paths = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
            paths.push(Self::Avx2);
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vbmi")
            {
                paths.push(Self::Avx512);
            }
        }
        paths
    }

    /// The fastest path, or the one `MLFLIGHT_KERNEL` names; an error when this CPU cannot run that.
    pub fn choose() -> Result<Self> {
        let available = Self::available();
        let fastest = available.last().copied().unwrap_or(Self::Portable);
        let Some(name) = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()) else { return Ok(fastest) };
        let forced = match name.to_str() {
            Some("portable") => Self::Portable,
            Some("avx2") => Self::Avx2,
            Some("avx512") => Self::Avx512,
            _ => {
                return Err(Error::new(
                    Kind::InvalidArgument,
                    "UNKNOWN_KERNEL",
                    format!("{VARIABLE}={}: no such kernel path", name.display()),
                )
                .expected("portable, avx2 or avx512"));
            }
        };
        match available.contains(&forced) {
            true => Ok(forced),
            false => Err(Error::new(
                Kind::FailedPrecondition,
                "KERNEL_UNAVAILABLE",
                format!("{VARIABLE}={}: this CPU cannot run that path", name.display()),
            )
            .remedy("unset the variable")),
        }
    }
}
