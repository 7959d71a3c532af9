//! What a process costs, as `/proc` tells it.

use std::fs;
use std::time::Duration;

/// The kernel counts time in ticks of 10 ms here (`sysconf(_SC_CLK_TCK)` on Linux).
const TICK: Duration = Duration::from_millis(10);

/// Reads the costs of one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage(pub(super) u32);

impl Usage {
    /// Memory now, in KiB.
    pub(crate) fn rss_kib(self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most memory there ever was, in KiB.
    pub(crate) fn peak_rss_kib(self) -> u64 {
        self.status("VmHWM:")
    }

    /// User and system time of all threads so far.
    pub(crate) fn cpu_time(self) -> Duration {
        let stat = self.read("stat");
        // The name of the program stands in parentheses and may hold anything.
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        let ticks = |nth: usize| -> u32 {
            let field = fields.split_whitespace().nth(nth);
            field.and_then(|text| text.parse().ok()).expect("a number")
        };
        // Fields 14 and 15 of proc_pid_stat(5); the first after the name is number 3.
        TICK * (ticks(11) + ticks(12))
    }

    /// File descriptors open now.
    pub(crate) fn open_fds(self) -> usize {
        fs::read_dir(self.path("fd")).expect("a process").count()
    }

    fn status(self, key: &str) -> u64 {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let value = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
        value.and_then(|kib| kib.parse().ok()).expect("a size")
    }

    fn read(self, file: &str) -> String {
        fs::read_to_string(self.path(file)).expect("the process is alive")
    }

    fn path(self, file: &str) -> String {
        format!("/proc/{}/{file}", self.0)
    }
}
