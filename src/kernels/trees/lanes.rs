//! Walks side by side: the CPU waits for none of them.

/// Levels all lanes take together before it is asked whether any has further to go: deep levels of unbalanced trees hold few rows.
const TOGETHER: u32 = 8;

/// Where walks end that begin at `at` and are at most `depth` levels long; a step from a leaf leads to itself.
#[inline(always)]
pub(super) fn descend<const LANES: usize>(
    mut at: [u32; LANES],
    depth: u32,
    step: impl Fn([u32; LANES]) -> [u32; LANES],
) -> [u32; LANES] {
    for _ in 0..depth.min(TOGETHER) {
        at = step(at);
    }
    for _ in TOGETHER..depth {
        let before = at;
        at = step(at);
        if at == before {
            break;
        }
    }
    at
}
