//! The `lb heartbeat` process.

use super::wait::until;
use rustix::process::{Pid, Signal, kill_process};
use std::io::Read as _;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// A sender of heartbeats; it is killed with the value.
pub(crate) struct Sender {
    process: Child,
    said: Arc<Mutex<Vec<u8>>>,
    listener: Option<JoinHandle<()>>,
}

impl Sender {
    /// Starts a sender to a balancer.
    pub(crate) fn start(to: SocketAddr, args: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_lb"))
            .args(["heartbeat", "--to", &to.to_string()])
            .args(args)
            .stderr(Stdio::piped())
            .spawn()
            .expect("lb starts");
        let mut stderr = process.stderr.take().expect("a pipe");
        let said = Arc::new(Mutex::new(Vec::new()));
        let listener = thread::spawn({
            let said = Arc::clone(&said);
            move || {
                let mut part = [0; 1024];
                while let Ok(count @ 1..) = stderr.read(&mut part) {
                    said.lock().unwrap().extend_from_slice(&part[..count]);
                }
            }
        });
        Self {
            process,
            said,
            listener: Some(listener),
        }
    }

    /// Its stderr so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap()).into_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("a process");
    }

    /// Waits until it has ended. Returns its exit code and what it said.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        until("the sender ends", || {
            self.process.try_wait().expect("a process").is_some()
        });
        let code = self.process.wait().expect("a process").code();
        if let Some(listener) = self.listener.take() {
            listener.join().expect("it is read to its end");
        }
        (code, self.stderr())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
