//! Which process is meant: number, start time and boot. A number alone is given again.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

/// A process that was there once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// Clock ticks from the boot to its start: field 22 of proc_pid_stat(5).
    start: u64,
    boot: String,
}

/// Fields of proc_pid_stat(5) from the third on: the second may have spaces in it.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// The same for as long as this process lives.
fn boot_id() -> Option<&'static str> {
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(text.trim().to_owned())
    };
    BOOT.get_or_init(read).as_deref()
}

impl Identity {
    /// The process that has this number now.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let start = stat(pid)?.get(19)?.parse().ok()?;
        Some(Self {
            pid,
            start,
            boot: boot_id()?.to_owned(),
        })
    }

    /// It is still there, and no zombie.
    pub(crate) fn is_alive(&self) -> bool {
        let Some(fields) = stat(self.pid) else {
            return false;
        };
        let is_it = fields
            .get(19)
            .is_some_and(|start| start.parse() == Ok(self.start));
        let is_over = fields
            .first()
            .is_none_or(|state| matches!(state.as_str(), "Z" | "X"));
        is_it && !is_over && boot_id() == Some(self.boot.as_str())
    }

    /// A descriptor that stays this process, whatever its number becomes.
    pub(crate) fn open(&self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(i32::try_from(self.pid).ok()?)?;
        let fd = pidfd_open(pid, PidfdFlags::NONBLOCK).ok()?;
        // Opened first and looked at then: what was looked at is what was opened.
        self.is_alive().then_some(fd)
    }

    /// Sends a signal to this process and to none other.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        self.open()
            .is_some_and(|fd| pidfd_send_signal(fd, signal).is_ok())
    }
}

/// The process is stopped (SIGSTOP, a debugger), and how that is called.
pub(crate) fn is_stopped(pid: u32) -> Option<&'static str> {
    match stat(pid)?.first()?.as_str() {
        "T" | "t" => Some("process is stopped"),
        "Z" => Some("process is a zombie"),
        _ => None,
    }
}

/// Direct children of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let lists = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|it| it.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

/// Clock ticks of processor time used by a process and all below it that are there now.
pub(crate) fn cpu_ticks(pid: u32) -> u64 {
    let mut pending = vec![pid];
    let mut ticks = 0;
    let mut seen = 0;
    while let Some(pid) = pending.pop() {
        seen += 1;
        if seen > 1_024 {
            break;
        }
        if let Some(fields) = stat(pid) {
            let field = |nth: usize| fields.get(nth).and_then(|it| it.parse::<u64>().ok());
            ticks += field(11).unwrap_or(0) + field(12).unwrap_or(0);
        }
        pending.extend(children(pid));
    }
    ticks
}

/// Milliseconds since 1970, for files that people read.
pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_an_earlier_one_of_its_number_is_not() {
        let me = Identity::of(std::process::id()).expect("is there");
        assert!(me.is_alive() && me.open().is_some());
        let before = Identity {
            start: me.start - 1,
            ..me.clone()
        };
        assert!(!before.is_alive() && !before.signal(Signal::KILL));
        let other_boot = Identity {
            boot: "another".into(),
            ..me
        };
        assert!(!other_boot.is_alive());
    }
}
