//! The real binary as a process of its own, and what `/proc` knows of it.

use crate::kit::PATIENCE;
use lb_broker::announcement::WhenFull;
use lb_broker::client::Options;
use lb_broker::codec::Format;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_lb-broker");

/// A broker that is killed with this value.
pub(crate) struct Broker {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Broker {
    /// Starts `lb-broker serve` on a free port.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(BINARY)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().strip_prefix("lb-broker listens on ");
        let Some(address) = address else {
            let mut error = String::new();
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut error)
                .unwrap();
            panic!("no address in {line:?}: {error}");
        };
        Self {
            address: address.parse().unwrap(),
            child,
        }
    }

    pub(crate) fn options(&self, format: Format) -> Options {
        Options {
            address: self.address.to_string(),
            format,
            when_full: WhenFull::DropOldest,
            name: None,
            token: None,
            timeout: PATIENCE,
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// `SIGTERM`; what it says on stderr, and whether it ends well.
    pub(crate) fn terminate(&mut self) -> (bool, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        let mut error = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut error)
            .unwrap();
        (status.success(), error)
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

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
