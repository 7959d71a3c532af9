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

/// What proc_pid_stat(5) says of a process.
struct Stat {
    state: u8,
    user_ticks: u64,
    system_ticks: u64,
    start: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Asked for every process of a fleet each second: nothing is copied.
fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    // The second field is a name, which may have blanks and brackets in it.
    let name_end = bytes.iter().rposition(|byte| *byte == b')')?;
    let mut fields = bytes
        .get(name_end + 1..)?
        .split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty());
    let number = |field: Option<&[u8]>| std::str::from_utf8(field?).ok()?.parse().ok();
    Some(Stat {
        state: *fields.next()?.first()?,
        user_ticks: number(fields.nth(10))?,
        system_ticks: number(fields.next())?,
        start: number(fields.nth(6))?,
    })
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
        let start = stat(pid)?.start;
        Some(Self {
            pid,
            start,
            boot: boot_id()?.to_owned(),
        })
    }

    /// It is still there, and no zombie.
    pub(crate) fn is_alive(&self) -> bool {
        let Some(stat) = stat(self.pid) else {
            return false;
        };
        let is_over = matches!(stat.state, b'Z' | b'X');
        stat.start == self.start && !is_over && boot_id() == Some(self.boot.as_str())
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
    match stat(pid)?.state {
        b'T' | b't' => Some("process is stopped"),
        b'Z' => Some("process is a zombie"),
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
        if let Some(stat) = stat(pid) {
            ticks += stat.user_ticks + stat.system_ticks;
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
    fn a_name_with_blanks_and_brackets_does_not_move_the_fields() {
        let text = b"42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 55 66 7 8 20 0 1 0 777 9 9\n";
        let stat = parse_stat(text).expect("is whole");
        assert_eq!((stat.state, stat.start), (b'S', 777));
        assert_eq!((stat.user_ticks, stat.system_ticks), (55, 66));
        assert!(parse_stat(b"42 (a) S 1").is_none());
    }

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
