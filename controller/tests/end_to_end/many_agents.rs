//! A thousand agents, simulated by clients over real sockets, and pages that never read: what they
//! cost the controller.

use super::support::{Fleet, signal_to};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use v1::agents_client::AgentsClient;
use v1::{FromAgent, Hello, Status, from_agent};

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    dead_code,
    reason = "generated"
)]
mod v1 {
    tonic::include_proto!("lb.controller.v1");
}

const AGENTS: usize = 1_000;

/// One process that stands for all servers and agents: it is there, and that is all that is asked.
struct Holder(Child);

impl Holder {
    fn start() -> Self {
        let child = Command::new("sleep").arg("600").spawn();
        Self(child.expect("starts"))
    }

    fn identity(&self) -> Value {
        let pid = self.0.id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("is there");
        let (_, fields) = stat.rsplit_once(')').expect("has a name");
        let start: u64 = fields.split_whitespace().nth(19).unwrap().parse().unwrap();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("Linux");
        json!({ "pid": pid, "start": start, "boot": boot.trim() })
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A controller whose agents do nothing.
fn controller_with_idle_agents(folder: &Path) -> PathBuf {
    let own = folder.join("lb-controller");
    std::fs::copy(env!("CARGO_BIN_EXE_lb-controller"), &own).expect("is copied");
    std::os::unix::fs::symlink("/bin/true", folder.join("lb-agent")).expect("a link");
    own
}

/// What an agent would do with its run directory, and its session.
async fn be_agent(folder: PathBuf, identity: Value, controller: String) {
    let order = std::fs::read(folder.join("order.json")).expect("an order");
    let order: Value = serde_json::from_slice(&order).expect("JSON");
    let started = json!({ "process": identity, "attempt": 1, "alone_starts": 0 });
    std::fs::write(folder.join("server.json"), started.to_string()).expect("is written");
    std::fs::write(folder.join("agent.json"), identity.to_string()).expect("is written");
    let text = |key: &str| order[key].as_str().unwrap().to_owned();
    let hello = Hello {
        token: text("token"),
        secret: text("secret"),
        attempt: 1,
        ..Hello::default()
    };
    let (send, receive) = mpsc::channel(4);
    let say = async |kind| send.send(FromAgent { kind: Some(kind) }).await;
    say(from_agent::Kind::Hello(hello))
        .await
        .expect("is queued");
    let endpoint = tonic::transport::Endpoint::from_shared(controller).expect("a URL");
    let channel = endpoint.connect().await.expect("connects");
    let mut client = AgentsClient::new(channel);
    let answers = client.session(ReceiverStream::new(receive)).await;
    let mut answers = answers.expect("is admitted").into_inner();
    tokio::spawn(async move { while let Ok(Some(_)) = answers.message().await {} });
    loop {
        let status = Status {
            attempt: 1,
            load: Some(0.5),
            check_ok: Some(true),
            ..Status::default()
        };
        if say(from_agent::Kind::Status(status)).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// Becomes an agent for each run directory that appears.
async fn be_agents(fleet: &Fleet, identity: &Value) {
    let runs = fleet.folder.join("fleet-state/run");
    let mut known = BTreeSet::new();
    let deadline = Instant::now() + Duration::from_secs(120);
    while known.len() < AGENTS {
        assert!(Instant::now() < deadline, "{} launches", known.len());
        for entry in std::fs::read_dir(&runs).into_iter().flatten().flatten() {
            let folder = entry.path();
            if folder.join("order.json").is_file() && known.insert(folder.clone()) {
                let controller = format!("http://{}", fleet.address);
                tokio::spawn(be_agent(folder, identity.clone(), controller));
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Processor seconds used, and MiB in memory.
fn used(pid: u32) -> (f64, f64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("runs");
    let (_, fields) = stat.rsplit_once(')').expect("has a name");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|it| it.parse::<u64>().unwrap()).sum();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib: f64 = line
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    (ticks as f64 / 100.0, kib / 1024.0)
}

#[test]
#[ignore = "takes a minute and a thousand sessions: run by ci.sh"]
fn a_thousand_agents_and_pages_that_never_read_cost_little() {
    let service = "[service.web]\ncommand = [\"/bin/true\", \"{port}\"]\nports = \"10000-11999\"\n\
        check = \"tcp\"\nservers = { min = 1000, desired = 1000, max = 1000 }\n";
    let mut fleet = Fleet::prepare("many", None, "", service);
    fleet.program = controller_with_idle_agents(&fleet.folder);
    let holder = Holder::start();
    fleet.run();
    let pid = fleet.controller.as_ref().expect("runs").id();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        be_agents(&fleet, &holder.identity()).await;
        let address = fleet.address.clone();
        let pages = tokio::task::spawn_blocking(move || open_pages(&address));
        let pages = pages.await.expect("are open");
        let deadline = Instant::now() + Duration::from_secs(180);
        while serving(&fleet.address).await != AGENTS {
            assert!(Instant::now() < deadline, "{}", fleet.log());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        // Settled: what was launched is told, and observing is over.
        tokio::time::sleep(Duration::from_secs(20)).await;
        let (before, began) = (used(pid).0, Instant::now());
        tokio::time::sleep(Duration::from_secs(20)).await;
        let (after, memory) = used(pid);
        let cores = (after - before) / began.elapsed().as_secs_f64();
        println!("{AGENTS} agents: {cores:.3} of a core, {memory:.0} MiB");
        assert!(memory < 100.0, "{memory:.0} MiB");
        // Without optimisation it takes several times as much.
        let most = if cfg!(debug_assertions) { 0.6 } else { 0.1 };
        assert!(cores < most, "{cores:.3} of a core");
        drop(pages);
    });
    signal_to(pid, "-KILL");
    // Its servers are one process, which ends with this test and by no order.
    std::fs::remove_dir_all(fleet.folder.join("fleet-state/run")).expect("is removed");
}

/// Two pages that never read: a thousand events, the whole fleet and every change are for them.
fn open_pages(address: &str) -> Vec<TcpStream> {
    let open = |_| {
        let mut stream = TcpStream::connect(address).expect("connects");
        let head = format!("GET /v1/live?after=0 HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("is sent");
        stream
    };
    (0..2).map(open).collect()
}

async fn serving(address: &str) -> usize {
    let address = address.to_owned();
    let ask = move || super::support::request(&address, "GET", "/v1/services", "", "").1;
    let text = tokio::task::spawn_blocking(ask).await.expect("is asked");
    let services: Value = serde_json::from_str(&text).unwrap_or_default();
    services["services"][0]["serving"].as_u64().unwrap_or(0) as usize
}
