//! A controller with its folder, and a client for it.

use super::fake_lb::FakeLb;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Ports of servers, a block for each test.
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

pub(crate) fn port_block() -> u16 {
    let base = 21_000 + (std::process::id() % 100) as u16 * 97;
    // Other tests and other programs have ports too.
    let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let first = base + NEXT_PORT.fetch_add(12, Ordering::Relaxed);
        if (first..first + 12).all(is_free) {
            return first;
        }
    }
}

/// The demo server.
pub(crate) fn pi_backend() -> PathBuf {
    built("pi-backend")
}

/// A program that is built by the member of the workspace of its name.
pub(crate) fn built(name: &str) -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_lb-controller")).with_file_name(name);
    if !beside.is_file() {
        let cargo = std::env::var("CARGO").unwrap_or("cargo".into());
        let built = Command::new(cargo)
            .args(["build", "-q", "-p", name, "--bins"])
            .status();
        assert!(built.expect("cargo runs").success());
    }
    beside
}

pub(crate) struct Fleet {
    pub(crate) folder: PathBuf,
    pub(crate) controller: Option<Child>,
    pub(crate) address: String,
    pub(crate) lb: FakeLb,
    /// The lb that it steers: the fake one unless another is named.
    admin: String,
    /// Where the next controller dies, by the name of the place.
    pub(crate) crash_at: Option<&'static str>,
    /// The controller that is run.
    pub(crate) program: PathBuf,
}

/// A service of demo servers.
pub(crate) fn web(ports: u16, servers: &str, more: &str) -> String {
    let (last, pi) = (ports + 11, pi_backend().display().to_string());
    format!(
        "[service.web]\ncommand = [\"{pi}\", \"--port\", \"{{port}}\", \"--term-us\", \"0\"]\n\
         ports = \"{ports}-{last}\"\ncheck = \"/ping\"\npool = \"default\"\n\
         servers = {{ {servers} }}\n{more}\n"
    )
}

impl Fleet {
    pub(crate) fn start(name: &str, services: &str) -> Self {
        Self::start_with(name, "", services)
    }

    pub(crate) fn start_with(name: &str, controller: &str, services: &str) -> Self {
        Self::start_behind(name, None, controller, services)
    }

    /// Starts a fleet that steers the lb with this admin address.
    pub(crate) fn start_behind(
        name: &str,
        admin: Option<String>,
        controller: &str,
        services: &str,
    ) -> Self {
        let mut fleet = Self::prepare(name, admin, controller, services);
        fleet.run();
        fleet
    }

    /// Makes all that a fleet needs but its controller.
    pub(crate) fn prepare(
        name: &str,
        admin: Option<String>,
        controller: &str,
        services: &str,
    ) -> Self {
        let folder = std::env::temp_dir().join(format!("lb-fleet-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let lb = FakeLb::start();
        // The port is kept over restarts: agents come back to it.
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address").to_string();
        drop(free);
        let fleet = Self {
            folder,
            controller: None,
            address,
            admin: admin.unwrap_or_else(|| lb.address.to_string()),
            crash_at: None,
            program: PathBuf::from(env!("CARGO_BIN_EXE_lb-controller")),
            lb,
        };
        fleet.write(controller, services);
        fleet
    }

    pub(crate) fn write(&self, controller: &str, services: &str) {
        let text = format!(
            "[controller]\nlisten = \"{}\"\nlbs = [\"http://{}\"]\n{controller}\n{services}",
            self.address, self.admin
        );
        std::fs::write(self.folder.join("fleet.toml"), text).expect("is written");
    }

    /// Starts the controller and waits until it leads.
    pub(crate) fn run(&mut self) {
        let path = self.folder.join("controller.log");
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .expect("a log");
        let crash_at = self.crash_at.take();
        let mut child = Command::new(&self.program)
            .envs(crash_at.map(|place| ("LB_CONTROLLER_CRASH_AT", place)))
            .arg("run")
            .arg(self.folder.join("fleet.toml"))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let first = lines.next().and_then(Result::ok).unwrap_or_default();
        assert!(first.contains("leads fleet"), "{first}\n{}", self.log());
        std::thread::spawn(move || lines.for_each(drop));
        self.controller = Some(child);
    }

    pub(crate) fn kill_controller(&mut self) {
        let mut child = self.controller.take().expect("runs");
        child.kill().expect("is killed");
        child.wait().expect("is reaped");
    }

    /// The controller has died by itself. It is reaped then.
    pub(crate) fn has_died(&mut self) -> bool {
        let died = match &mut self.controller {
            Some(child) => child.try_wait().expect("can be asked").is_some(),
            None => true,
        };
        if died {
            self.controller = None;
        }
        died
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("controller.log")).unwrap_or_default()
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let (status, text) = request(&self.address, method, path, "", body);
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.call("GET", path, "").1
    }

    pub(crate) fn servers(&self) -> Vec<Value> {
        self.get("/v1/servers")["servers"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    pub(crate) fn serving(&self) -> usize {
        self.servers()
            .iter()
            .filter(|it| it["state"] == "serving")
            .count()
    }

    pub(crate) fn history(&self) -> String {
        let events = self.get("/v1/events?limit=5000");
        let texts = events["events"].as_array().cloned().unwrap_or_default();
        texts
            .iter()
            .map(|it| format!("{} {}\n", it["server"], it["text"].as_str().unwrap()))
            .collect()
    }

    /// Waits until `done`, or fails with what there is to see.
    pub(crate) fn wait(
        &self,
        seconds: u64,
        what: &str,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Duration {
        let started = Instant::now();
        while !done(self) {
            if started.elapsed() > Duration::from_secs(seconds) {
                panic!(
                    "not within {seconds} s: {what}\n{:#}\n{}",
                    self.get("/v1/fleet"),
                    self.log()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        started.elapsed()
    }

    pub(crate) fn wait_serving(&self, count: usize) {
        self.wait(30, &format!("{count} serve"), |it| {
            it.serving() == count && it.lb.backends().len() == count
        });
    }

    fn file(&self, token: &str, name: &str) -> Option<Value> {
        let path = self.folder.join("fleet-state/run").join(token).join(name);
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    pub(crate) fn server_pid(&self, token: &str) -> Option<u32> {
        Some(self.file(token, "server.json")?["process"]["pid"].as_u64()? as u32)
    }

    pub(crate) fn agent_pid(&self, token: &str) -> Option<u32> {
        Some(self.file(token, "agent.json")?["pid"].as_u64()? as u32)
    }

    /// Tokens and pids of the servers that serve.
    pub(crate) fn pids(&self) -> Vec<(String, u32)> {
        let tokens = self.servers();
        let tokens = tokens.iter().filter_map(|it| it["token"].as_str());
        tokens
            .filter_map(|token| Some((token.to_owned(), self.server_pid(token)?)))
            .collect()
    }

    /// The servers of these tokens as they are now, the controller running or not.
    pub(crate) fn pids_of(&self, servers: &[(String, u32)]) -> Vec<(String, u32)> {
        let tokens = servers.iter().map(|(token, _)| token);
        tokens
            .map(|token| (token.clone(), self.server_pid(token).unwrap_or(0)))
            .collect()
    }

    /// Run directories that were ever made, those of the ended included.
    pub(crate) fn launches(&self) -> usize {
        let count = |name: &str| {
            let folder = self.folder.join("fleet-state").join(name);
            std::fs::read_dir(folder).map_or(0, |entries| entries.count())
        };
        count("run") + count("ended")
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if let Some(mut child) = self.controller.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Agents end their servers.
        let runs = std::fs::read_dir(self.folder.join("fleet-state/run"));
        let tokens: Vec<String> = runs
            .map(|it| {
                it.flatten()
                    .filter_map(|it| it.file_name().into_string().ok())
                    .collect()
            })
            .unwrap_or_default();
        let mut pids = Vec::new();
        for token in &tokens {
            pids.extend(self.agent_pid(token).map(|pid| (pid, "-TERM")));
            pids.extend(self.server_pid(token).map(|pid| (pid, "-KILL")));
        }
        for (pid, signal) in pids {
            signal_to(pid, signal);
        }
        if !std::thread::panicking() {
            std::thread::sleep(Duration::from_millis(300));
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

pub(crate) fn signal_to(pid: u32, signal: &str) {
    let _ = Command::new("kill")
        .args([signal, &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// Running, not stopped, no zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.trim().chars().next());
    state.is_some_and(|state| state != 'Z')
}

pub(crate) fn request(
    address: &str,
    method: &str,
    path: &str,
    head: &str,
    body: &str,
) -> (u16, String) {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return (0, String::new());
    };
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{head}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    if stream.write_all(text.as_bytes()).is_err() {
        return (0, String::new());
    }
    let mut answer = Vec::new();
    if stream.read_to_end(&mut answer).is_err() {
        return (0, String::new());
    }
    parse(&answer)
}

/// Status and body of a whole answer; a status of 0 if it is not whole.
fn parse(answer: &[u8]) -> (u16, String) {
    let answer = String::from_utf8_lossy(answer).into_owned();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|it| it.parse().ok())
        .unwrap_or(0);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or(("", ""));
    let head = head.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    if length.is_some_and(|length| body.len() < length) {
        return (0, String::new());
    }
    let body = if head.contains("transfer-encoding: chunked") {
        body.split("\r\n").skip(1).step_by(2).collect()
    } else {
        body.to_owned()
    };
    (status, body)
}
