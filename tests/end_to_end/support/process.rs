//! The costs of a process, from `/proc`.

use std::fs;
use std::thread;
use std::time::Duration;

/// The kernel counts time in ticks of 10 ms here (`sysconf(_SC_CLK_TCK)` on Linux).
const TICK: Duration = Duration::from_millis(10);

/// Reads the costs of one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage(pub(crate) u32);

/// The most bytes the kernel lets a connection that is sent on and one that is received on hold
/// together (`tcp(7)`, `tcp_wmem` and `tcp_rmem`).
pub(crate) fn socket_buffer_bytes() -> u64 {
    let most = |name| -> u64 {
        let text = fs::read_to_string(format!("/proc/sys/net/ipv4/{name}"));
        let text = text.expect("a setting");
        let last = text.split_whitespace().next_back();
        last.and_then(|most| most.parse().ok()).expect("a number")
    };
    most("tcp_rmem") + most("tcp_wmem")
}

impl Usage {
    /// Memory now, in KiB.
    pub(crate) fn rss_kib(self) -> u64 {
        self.status("VmRSS:")
    }

    /// Address space that is taken, in KiB.
    pub(crate) fn address_space_kib(self) -> u64 {
        self.status("VmSize:")
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

    /// Returns whether it does next to nothing for a moment. A process that spins uses up any time
    /// it is given.
    pub(crate) fn is_at_rest(self) -> bool {
        const MOMENT: Duration = Duration::from_millis(4);
        const NOTHING: Duration = Duration::from_micros(400);
        let before = self.busy();
        thread::sleep(MOMENT);
        self.busy() - before < NOTHING
    }

    /// Time of all threads so far, to the nanosecond, as the scheduler counts it (schedstat in
    /// proc(5)).
    pub(crate) fn busy(self) -> Duration {
        let threads = fs::read_dir(self.path("task")).expect("a process");
        let nanos = threads.filter_map(|thread| {
            // A thread may end while we look.
            let stat = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            stat.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    /// File descriptors open now.
    pub(crate) fn open_fds(self) -> usize {
        fs::read_dir(self.path("fd")).expect("a process").count()
    }

    /// Those of them that are sockets.
    pub(crate) fn open_sockets(self) -> usize {
        let descriptors = fs::read_dir(self.path("fd")).expect("a process");
        let names = descriptors.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
        let sockets = names.filter(|name| name.to_string_lossy().starts_with("socket:"));
        sockets.count()
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
