//! The `lb` process under test.

use super::client::Client;
use super::process::Usage;
use super::wait::{PATIENCE, until};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// Backends are tried in the order they are given in, each only when those before it are out.
pub(crate) const IN_ORDER: [&str; 2] = ["--strategy", "n-to-1"];

/// A balancer that listens; it is killed with the value.
pub(crate) struct Lb {
    process: Child,
    /// The address for clients.
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<String>>,
    listener: Option<JoinHandle<()>>,
    /// Its output, if the command was given a pipe: reading it or not is the test's choice.
    pub(crate) stdout: Option<ChildStdout>,
}

/// The end of a balancer.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if a signal killed it.
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

impl Lb {
    /// Starts a balancer over `backends`, on a free port.
    pub(crate) fn start(backends: &[SocketAddr], args: &[&str]) -> Self {
        Self::spawn(Self::command(backends, args).stdout(Stdio::null()))
    }

    /// The same in TCP mode.
    pub(crate) fn start_tcp(backends: &[SocketAddr], args: &[&str]) -> Self {
        Self::start(backends, &[&["--mode", "tcp"], args].concat())
    }

    /// The command that [`start`](Self::start) runs, to be changed. Without `backends` the
    /// arguments name them. Backends are not checked unless the arguments say so: scripts are
    /// about the connections of clients.
    pub(crate) fn command(backends: &[SocketAddr], args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
        command.args(["--listen", "127.0.0.1:0"]).args(args);
        if !args.contains(&"--health") {
            command.args(["--health", "none"]);
        }
        for backend in backends {
            command.arg("--backends").arg(backend.to_string());
        }
        command
    }

    /// Starts a command that says its start line.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().expect("lb starts");
        let stderr = process.stderr.take().expect("a pipe");
        let said = Arc::new(Mutex::new(String::new()));
        let (sender, first_line) = channel();
        let listener = thread::spawn({
            let said = Arc::clone(&said);
            move || listen(BufReader::new(stderr), &said, &sender)
        });
        let stdout = process.stdout.take();
        let line = first_line.recv_timeout(PATIENCE).expect("a start line");
        let address = line
            .strip_prefix("lb listens on ")
            .and_then(|rest| rest.split([' ', ',']).next()?.parse().ok())
            .unwrap_or_else(|| panic!("not a start line: {line}"));
        Self {
            process,
            address,
            said,
            listener: Some(listener),
            stdout,
        }
    }

    /// Runs `lb` to its end, for starts that fail.
    pub(crate) fn run(args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
        command.args(args).output().expect("lb starts")
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Its stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage(self.process.id())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("a process");
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.try_wait().expect("a process").is_some()
    }

    /// Tells it to stop and waits until it has.
    pub(crate) fn terminate(self) -> Ended {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it has ended.
    pub(crate) fn wait(mut self) -> Ended {
        until("lb ends", || self.has_ended());
        let code = self.process.wait().expect("a process").code();
        if let Some(listener) = self.listener.take() {
            listener.join().expect("stderr is text");
        }
        Ended {
            code,
            stderr: self.stderr(),
        }
    }

    /// A client of its own is served, as long as the process is sound.
    #[track_caller]
    pub(crate) fn assert_serves(&self) {
        let answer = self.connect().get("/ping");
        assert_eq!(answer.status, 200, "the canary: {answer:?}");
    }
}

impl Drop for Lb {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Collects what is said, and hands the first line over.
fn listen(stderr: impl BufRead, said: &Mutex<String>, first: &Sender<String>) {
    for line in stderr.lines() {
        let line = line.expect("stderr is text");
        let mut said = said.lock().unwrap();
        said.push_str(&line);
        said.push('\n');
        drop(said);
        // Only the first is waited for.
        let _ = first.send(line);
    }
}
