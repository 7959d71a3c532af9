//! Finds out whether a process lives, by its number or by the name of its program, from `/proc`.
//!
//! A process is its number and when it was started: a number alone may be given to another one.
//! The one that was found is looked at first; only when it is gone are all of them searched.
//! The sender itself never counts.

use crate::cli::ProcessName;
use lb::config::{ConfigError, ConfigErrorKind};
use lb::heartbeat::ProcessState;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::Path;

const PROC: &str = "/proc";

/// A process that is watched.
#[derive(Debug)]
pub(super) struct Process {
    name: ProcessName,
    found: Option<Found>,
}

/// One that was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    pid: u32,
    started_at: u64,
}

impl Process {
    /// Begins to watch it; it need not be there yet.
    ///
    /// # Errors
    /// The system has no list of processes.
    pub(super) fn watch(name: ProcessName) -> Result<Self, ConfigError> {
        if !Path::new(PROC).join("self/stat").exists() {
            let invalid =
                ConfigError::new("there is no /proc to look it up in", "leave --process out");
            return Err(invalid
                .with_kind(ConfigErrorKind::System)
                .with_flag("--process"));
        }
        Ok(Self { name, found: None })
    }

    /// Returns how it is now.
    pub(super) fn state(&mut self) -> ProcessState {
        let known = self.found.filter(Found::is_alive);
        let found = known.or_else(|| match (&self.name, self.found) {
            // The number may belong to another process now.
            (ProcessName::Pid(_), Some(_)) => None,
            (ProcessName::Pid(pid), None) => Stat::read(*pid)?.alive(*pid),
            (ProcessName::Program(name), _) => find(name),
        });
        match found {
            Some(found) => {
                self.found = Some(found);
                ProcessState::Alive
            }
            None => ProcessState::Dead,
        }
    }
}

impl Display for Process {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.name {
            ProcessName::Pid(pid) => pid.fmt(f),
            ProcessName::Program(name) => name.fmt(f),
        }
    }
}

impl Found {
    fn is_alive(&self) -> bool {
        let now = Stat::read(self.pid).and_then(|stat| stat.alive(self.pid));
        now == Some(*self)
    }
}

/// The fields of proc_pid_stat(5) that matter here.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    program: String,
    state: char,
    started_at: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let text = fs::read(format!("{PROC}/{pid}/stat")).ok()?;
        Self::parse(&String::from_utf8_lossy(&text))
    }

    /// The name of the program stands in parentheses and may hold anything, these included.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once('(')?;
        let (program, fields) = rest.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        Some(Self {
            program: program.to_owned(),
            state: fields.next()?.chars().next()?,
            // The 22nd field of all, of which the state is the third.
            started_at: fields.nth(18)?.parse().ok()?,
        })
    }

    fn alive(&self, pid: u32) -> Option<Found> {
        let started_at = self.started_at;
        let is_alive = !matches!(self.state, 'Z' | 'X' | 'x');
        is_alive.then_some(Found { pid, started_at })
    }
}

/// Any process of this name.
fn find(name: &str) -> Option<Found> {
    let entries = fs::read_dir(PROC).ok()?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut others = pids.filter(|pid| *pid != std::process::id());
    others.find_map(|pid| {
        let stat = Stat::read(pid)?;
        let found = stat.alive(pid)?;
        (stat.program == name || is_started_as(pid, name)).then_some(found)
    })
}

/// Returns whether the last part of what it was started as is `name`: the other name is cut to 15
/// bytes.
fn is_started_as(pid: u32, name: &str) -> bool {
    let Ok(line) = fs::read(format!("{PROC}/{pid}/cmdline")) else {
        return false;
    };
    let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let last = first.rsplit(|byte| *byte == b'/').next();
    last == Some(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    use std::io::Read as _;
    use std::os::unix::fs::symlink;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command, Stdio};

    fn watch(name: &str) -> Process {
        Process::watch(name.parse().unwrap()).unwrap()
    }

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    #[test]
    fn a_name_may_hold_anything() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        let stat = Stat::parse(&format!("7 (a) b(c) {rest}")).unwrap();
        let expected = Stat {
            program: "a) b(c".to_owned(),
            state: 'S',
            started_at: 4711,
        };
        assert_eq!(stat, expected);
        for bad in ["", "7 a S", "7 (a) S 1 2"] {
            assert_eq!(Stat::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_process_lives_until_it_is_a_zombie_or_gone() {
        let mut child = sleeper();
        let mut by_pid = watch(&child.id().to_string());
        assert_eq!(by_pid.state(), ProcessState::Alive);
        child.kill().unwrap();
        let is_zombie = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(Pid::from_child(&child)), is_zombie).unwrap();
        assert_eq!(by_pid.state(), ProcessState::Dead, "a zombie");
        child.wait().unwrap();
        assert_eq!(by_pid.state(), ProcessState::Dead);
        assert_eq!(watch("4294967295").state(), ProcessState::Dead);
    }

    #[test]
    fn a_number_that_was_given_to_another_is_dead() {
        let mut child = sleeper();
        let mut process = watch(&child.id().to_string());
        assert_eq!(process.state(), ProcessState::Alive);
        if let Some(found) = &mut process.found {
            found.started_at += 1;
        }
        assert_eq!(process.state(), ProcessState::Dead);
        assert_eq!(process.state(), ProcessState::Dead);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts a shell that waits, by the path of a program and under a name. Its parent runs again
    /// before the kernel has given it that name, so it is heard first.
    fn shell(program: &Path, name: &str) -> Child {
        let mut command = Command::new(program);
        let command = command.arg0(name).args(["-c", "echo; read line"]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let started = child.stdout.as_mut().unwrap().read(&mut [0]).unwrap();
        assert_eq!(started, 1, "the shell has ended");
        child
    }

    fn lives_and_dies(name: &str, program: &Path, started_as: &str) {
        let mut process = watch(name);
        assert_eq!(process.state(), ProcessState::Dead);
        for _ in 0..2 {
            let mut child = shell(program, started_as);
            assert_eq!(process.state(), ProcessState::Alive);
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(process.state(), ProcessState::Dead);
        }
    }

    #[test]
    fn a_program_is_found_by_either_name_and_the_next_of_that_name_too() {
        let name = format!("lb-{}-with-a-long-name", std::process::id());
        lives_and_dies(&name, Path::new("/bin/sh"), &format!("/x/{name}"));
        let name = format!("lb-{}", std::process::id());
        let program = std::env::temp_dir().join(&name);
        symlink("/bin/sh", &program).unwrap();
        lives_and_dies(&name, &program, "another");
        fs::remove_file(&program).unwrap();
    }
}
