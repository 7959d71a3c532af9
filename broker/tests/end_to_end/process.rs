//! The real binary as a process of its own, and what `/proc` knows of it.

use crate::kit::{PATIENCE, options};
use lb_broker::client::Options;
use lb_broker::codec::Format;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_lb-broker");

/// A broker that is killed with this value.
pub(crate) struct Broker {
    pub(crate) address: SocketAddr,
    child: Child,
    /// Lines of its stderr.
    errors: Receiver<String>,
}

impl Broker {
    /// Starts `lb-broker serve` on a free port.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_by(Command::new(BINARY), arguments)
    }

    /// As [`start`](Self::start), by a command that runs what follows it.
    pub(crate) fn start_by(command: Command, arguments: &[&str]) -> Self {
        let (mut child, line) = spawn(command, arguments);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, errors) = channel();
        thread::spawn(move || {
            // The test may be over.
            stderr
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let address = line.trim().strip_prefix("lb-broker listens on ");
        let Some(address) = address else {
            panic!(
                "no address in {line:?}: {:?}",
                errors.iter().collect::<Vec<_>>()
            );
        };
        Self {
            address: address.parse().unwrap(),
            child,
            errors,
        }
    }

    /// Runs a `lb-broker serve` that must not start; its exit code and what it says on stderr.
    pub(crate) fn refused(command: Command, arguments: &[&str]) -> (Option<i32>, String) {
        let (mut child, line) = spawn(command, arguments);
        if !line.is_empty() {
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(line, "", "it has started");
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    pub(crate) fn options(&self, format: Format) -> Options {
        options(self.address, format)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The next line on its stderr.
    pub(crate) fn error_line(&self) -> String {
        self.errors.recv_timeout(PATIENCE).unwrap()
    }

    /// `SIGTERM`; what it says on stderr, and whether it ends well.
    pub(crate) fn terminate(&mut self) -> (bool, String) {
        self.signal(Signal::TERM);
        let status = self.child.wait().unwrap();
        let errors: Vec<_> = self.errors.iter().collect();
        (status.success(), errors.join("\n"))
    }

    pub(crate) fn rss_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_ascii_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap()
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .count()
    }

    /// Processor time in ticks of 10 ms.
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1;
        let number = |nth| {
            fields
                .split_ascii_whitespace()
                .nth(nth)
                .unwrap()
                .parse::<u64>()
                .unwrap()
        };
        number(11) + number(12)
    }
}

/// A child, and the first line it prints: empty if it ends without one.
fn spawn(mut command: Command, arguments: &[&str]) -> (Child, String) {
    let mut child = command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    (child, line)
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
