//! How busy a server is: the processor time of its processes over what they may use.

use crate::unit::cpu_ticks;
use std::fs;
use std::time::{Duration, Instant};

/// Clock ticks a second, as proc_pid_stat(5) counts: fixed on Linux for user space.
const TICKS: f64 = 100.0;

/// Measures from one asking to the next.
pub(super) struct LoadMeter {
    before: Option<(Instant, u32, u64)>,
    machine_before: Option<(u64, u64)>,
    allowed: f64,
}

impl LoadMeter {
    pub(super) fn new() -> Self {
        Self {
            before: None,
            machine_before: None,
            allowed: allowed_cores(),
        }
    }

    /// The load since the last asking, from 0 to 1; `None` the first time and for a new process.
    pub(super) fn load(&mut self, pid: u32) -> Option<f64> {
        let (now, ticks) = (Instant::now(), cpu_ticks(pid));
        let (then, before_pid, before) = self.before.replace((now, pid, ticks))?;
        let span = now.duration_since(then);
        if before_pid != pid || span < Duration::from_millis(100) {
            return None;
        }
        let used = ticks.saturating_sub(before) as f64 / TICKS;
        Some((used / (span.as_secs_f64() * self.allowed)).clamp(0.0, 1.0))
    }

    /// The load of the whole machine since the last asking; `None` the first time.
    pub(super) fn machine(&mut self) -> Option<f64> {
        let now = machine_ticks(&fs::read_to_string("/proc/stat").ok()?)?;
        let (busy, all) = self.machine_before.replace(now)?;
        let span = now.1.saturating_sub(all);
        (span > 0).then(|| (now.0.saturating_sub(busy) as f64 / span as f64).clamp(0.0, 1.0))
    }
}

/// Clock ticks in which processors worked, and all that passed, by the first line of proc_stat(5).
fn machine_ticks(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .filter_map(|it| it.parse().ok())
        .collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already.
    let all: u64 = ticks.iter().take(8).sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    Some((all - idle, all))
}

/// Cores that this process may use: those of the machine, or fewer by the quota of its cgroup.
fn allowed_cores() -> f64 {
    let cores = std::thread::available_parallelism().map_or(1.0, |it| it.get() as f64);
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = group
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .unwrap_or("/");
    let v2 = fs::read_to_string(format!(
        "/sys/fs/cgroup{}/cpu.max",
        path.trim_end_matches('/')
    ));
    let quota = v2.ok().and_then(|text| quota(&text)).or_else(|| {
        let read = |name: &str| {
            let text = fs::read_to_string(format!("/sys/fs/cgroup/cpu/{name}")).ok()?;
            text.trim().parse::<f64>().ok()
        };
        let quota = read("cpu.cfs_quota_us").filter(|quota| *quota > 0.0)?;
        Some(quota / read("cpu.cfs_period_us")?)
    });
    quota.map_or(cores, |quota| quota.min(cores)).max(0.01)
}

/// Reads cgroup v2's `cpu.max`: `QUOTA PERIOD`, or `max PERIOD`.
fn quota(text: &str) -> Option<f64> {
    let mut words = text.split_whitespace().map(str::parse::<f64>);
    let (quota, period) = (words.next()?.ok()?, words.next()?.ok()?);
    (period > 0.0).then_some(quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_read() {
        assert_eq!(quota("50000 100000\n"), Some(0.5));
        assert_eq!(quota("max 100000\n"), None);
        assert_eq!(quota(""), None);
    }

    #[test]
    fn the_time_of_the_machine_is_read() {
        let text = "cpu  10 2 3 70 5 1 2 7 9 9\ncpu0 1 1 1 1\n";
        assert_eq!(machine_ticks(text), Some((25, 100)));
        assert_eq!(machine_ticks("intr 1"), None);
    }

    #[test]
    fn a_busy_process_has_a_load() {
        let mut meter = LoadMeter::new();
        let me = std::process::id();
        assert_eq!(meter.load(me), None);
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(400) {
            std::hint::black_box(0_u64);
        }
        let load = meter.load(me).expect("was asked before");
        assert!(load > 0.0, "{load}");
    }
}
