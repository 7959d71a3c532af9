//! The `pi-backend` server, which belongs to another package of the workspace.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// A server that computes Pi; it is killed with the value, as by `kill -9`.
pub(crate) struct Pi {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Pi {
    /// Starts a server that says it is `name` in `X-Served-By`.
    pub(crate) fn start(name: &str, args: &[&str]) -> Self {
        Self::start_at(0, name, args)
    }

    /// The same at a certain port.
    pub(crate) fn start_at(port: u16, name: &str, args: &[&str]) -> Self {
        let mut process = Command::new(binary())
            .args(["--port", &port.to_string(), "--name", name])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("pi-backend starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let last = line.trim().rsplit(' ').next();
        let address = last.and_then(|word| word.parse().ok());
        Self {
            process,
            address: address.unwrap_or_else(|| panic!("not a start line: {line}")),
        }
    }

    /// Starts `count` fast servers, called `pi-0`, `pi-1` and so on.
    pub(crate) fn start_many(count: usize) -> Vec<Self> {
        let name = |nth| format!("pi-{nth}");
        (0..count)
            .map(|nth| Self::start(&name(nth), &["--term-us", "0", "--threads", "4"]))
            .collect()
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends it a signal, such as one to stop and one to go on.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("a process");
    }

    /// Stops it, as its scheduler might. Returns when none of its threads runs any more: the signal
    /// alone takes a moment, in which a thread may still respond.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        let pid = WaitId::Pid(Pid::from_child(&self.process));
        let status = waitid(pid, WaitIdOptions::STOPPED).expect("a child");
        assert!(status.is_some_and(|status| status.stopped()), "{status:?}");
    }

    pub(crate) fn addresses(servers: &[Self]) -> Vec<SocketAddr> {
        servers.iter().map(|server| server.address).collect()
    }
}

impl Drop for Pi {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program, which stands beside `lb`. It is built if the whole workspace was not.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let lb = Path::new(env!("CARGO_BIN_EXE_lb"));
        let binary = lb.with_file_name("pi-backend");
        if !binary.exists() {
            build(&binary);
        }
        binary
    })
}

fn build(binary: &Path) {
    let profile_dir = binary.parent().expect("a profile");
    let target_dir = profile_dir.parent().expect("a target directory");
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--package", "pi-backend", "--target-dir"]);
    command
        .arg(target_dir)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile_dir.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "pi-backend cannot be built");
}
