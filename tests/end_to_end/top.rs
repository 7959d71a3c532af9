//! `lb top` in a real terminal: that of tmux, 80 by 24.

use crate::support::{Admin, Backend, Lb, until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::process::{Command, Output};

/// A terminal with a shell that runs `lb top`; it ends with the value.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// `None` if there is no tmux here, which CI must have.
    fn start(name: &str, admin: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "CI installs tmux");
            println!("skipped: there is no tmux; apt-get install tmux");
            return None;
        }
        let terminal = Self {
            socket: format!("lb-{name}-{}", std::process::id()),
        };
        let lb = env!("CARGO_BIN_EXE_lb");
        // What is left of the terminal shows, and the shell waits.
        let line = format!("'{lb}' top --admin '{admin}'; echo code $?; stty -a; cat");
        let args = [
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "80",
            "-y",
            "24",
        ];
        let told = terminal.tmux(&[&args[..], &["sh", "-c", &line]].concat());
        assert!(told.status.success(), "{told:?}");
        Some(terminal)
    }

    fn tmux(&self, args: &[&str]) -> Output {
        let mut tmux = Command::new("tmux");
        tmux.args(["-L", &self.socket]).args(args);
        tmux.env_remove("TMUX").output().unwrap()
    }

    fn screen(&self) -> String {
        let told = self.tmux(&["capture-pane", "-p"]);
        String::from_utf8_lossy(&told.stdout).into_owned()
    }

    #[track_caller]
    fn shows(&self, words: &str) {
        until(words, || self.screen().contains(words));
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// The process of `lb top`: the child of the shell.
    fn process(&self) -> Pid {
        let told = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let shell = String::from_utf8(told.stdout).unwrap();
        let shell = shell.trim();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
        let children = children.unwrap();
        let child = children.split_whitespace().next().expect("a child");
        Pid::from_raw(child.parse().unwrap()).unwrap()
    }

    /// The terminal is as a shell needs it: it reads lines, and the screen of before is back.
    #[track_caller]
    fn is_restored(&self, code: &str) {
        self.shows(code);
        self.shows(" icanon");
        let screen = self.screen();
        assert!(!screen.contains("BACKEND"), "{screen}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn a_backend_is_drained_by_keys_over_a_restart_of_lb() {
    let backend = Backend::echo();
    let name = backend.address.to_string();
    let path = std::env::temp_dir().join(format!("lb-top-{}.sock", std::process::id()));
    let address = format!("unix:{}", path.display());
    let flags = ["--admin", address.as_str(), "--admin", "127.0.0.1:0"];
    let lb = Lb::start(&[backend.address], &flags);
    let admin = Admin::of(&lb);
    lb.assert_serves();
    let Some(terminal) = Terminal::start("keys", &address) else {
        return;
    };
    terminal.shows(&format!("{name}     healthy").replace("     ", " "));
    for _ in 0..20 {
        lb.assert_serves();
    }
    terminal.press("d");
    terminal.shows(&format!("drain {name}? y: yes"));
    terminal.press("y");
    until("it is drained", || {
        admin.backend(&name)["operator"]["admit"] == "drain"
    });
    terminal.shows(": done");
    terminal.shows("drain (by admin)");
    terminal.press("u");
    until("it is taken back", || {
        admin.backend(&name)["operator"].is_null()
    });
    lb.terminate();
    terminal.shows("no answer: ");
    let _lb = Lb::start(&[backend.address], &flags);
    terminal.shows("lb was started anew");
    terminal.press("q");
    terminal.is_restored("code 0");
    let _ = fs::remove_file(path);
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &["--admin", "127.0.0.1:0"]);
    let admin = Admin::of(&lb).0.to_string();
    let Some(terminal) = Terminal::start("signal", &admin) else {
        return;
    };
    terminal.shows("BACKEND");
    kill_process(terminal.process(), Signal::TERM).unwrap();
    terminal.is_restored("code 0");
}

#[test]
fn no_terminal_is_refused() {
    let told = Command::new(env!("CARGO_BIN_EXE_lb")).arg("top").output();
    let told = told.unwrap();
    let words = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(1), "{words}");
    assert!(
        words.contains("lb top needs a terminal; lb ctl backends"),
        "{words}"
    );
}
