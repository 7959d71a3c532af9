//! The real lb, in a process of the test.

use super::support::{built, request};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// An lb that starts with an empty pool and keeps its sets in a file.
pub(crate) struct LbProcess {
    child: Option<Child>,
    pub(crate) listen: String,
    pub(crate) admin: String,
    state: PathBuf,
}

impl LbProcess {
    pub(crate) fn start(name: &str) -> Self {
        let free = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("an address").to_string()
        };
        let file = format!("lb-fleet-{name}-{}.state", std::process::id());
        let mut lb = Self {
            child: None,
            listen: free(),
            admin: free(),
            state: std::env::temp_dir().join(file),
        };
        lb.forget();
        lb.run();
        lb
    }

    fn forget(&self) {
        let _ = std::fs::remove_file(&self.state);
    }

    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn run(&mut self) {
        let child = Command::new(built("lb"))
            .args(["--listen", &self.listen, "--admin", &self.admin])
            .args(["--health", "http", "--state"])
            .arg(&self.state)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("starts"));
        let deadline = Instant::now() + Duration::from_secs(20);
        while request(&self.admin, "GET", "/healthz", "", "").0 != 200 {
            assert!(Instant::now() < deadline, "lb does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("runs");
        child.kill().expect("is killed");
        child.wait().expect("is reaped");
    }

    /// Name and state of each backend of the pool.
    pub(crate) fn backends(&self) -> Vec<(String, String)> {
        let (_, text) = request(&self.admin, "GET", "/v1/pools/default", "", "");
        let pool: Value = serde_json::from_str(&text).unwrap_or_default();
        let backends = pool["backends"].as_array().cloned().unwrap_or_default();
        let word = |it: &Value, key: &str| it[key].as_str().unwrap_or("").to_owned();
        backends
            .iter()
            .map(|it| (word(it, "name"), word(it, "state")))
            .collect()
    }

    /// Backends that requests are sent to.
    pub(crate) fn open(&self) -> Vec<String> {
        let open = |state: &str| matches!(state, "healthy" | "slow-start");
        let backends = self.backends().into_iter();
        backends
            .filter(|(_, state)| open(state))
            .map(|(name, _)| name)
            .collect()
    }

    pub(crate) fn is_open(&self, name: &str) -> bool {
        self.open().iter().any(|it| it == name)
    }

    /// An operator's word about one backend.
    pub(crate) fn post(&self, name: &str, verb: &str) -> u16 {
        let path = format!("/v1/pools/default/backends/{name}/{verb}");
        let head = "Content-Type: application/json\r\n";
        request(&self.admin, "POST", &path, head, "").0
    }
}

impl Drop for LbProcess {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.forget();
    }
}
