//! The load of this machine: the load average of the last minute for each core.

use lb::heartbeat::Load;
use std::{fs, thread};

/// The load now; `None` where the system does not say.
pub(super) fn now() -> Option<Load> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    of(&text, cores)
}

/// The load, 1 at most, by the text of proc_loadavg(5).
fn of(text: &str, cores: usize) -> Option<Load> {
    let average: f64 = text.split_whitespace().next()?.parse().ok()?;
    Load::new((average / cores as f64).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_first_average_for_each_core() {
        assert_eq!(of("1.50 0.63 1.22 1/234 5678\n", 4), Load::new(0.375));
        assert_eq!(of("9.00 0 0 1/1 1\n", 4), Load::new(1.0));
        for bad in ["", "x 1 1", "NaN"] {
            assert_eq!(of(bad, 4), None, "{bad}");
        }
    }
}
