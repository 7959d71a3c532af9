//! `lb heartbeat` beside servers, and a balancer that listens to it.

#![allow(
    clippy::disallowed_types,
    reason = "strangers have sockets of their own"
)]

use crate::support::{Backend, Lb, Pi, Sender, stays, until};
use rustix::process::Signal;
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_millis(500);

/// A balancer that listens to heartbeats on a free port.
fn listening(backends: &[SocketAddr], args: &[&str]) -> (Lb, SocketAddr) {
    listening_on("127.0.0.1:0", backends, args)
}

fn listening_on(at: &str, backends: &[SocketAddr], args: &[&str]) -> (Lb, SocketAddr) {
    let args = [&["--heartbeat-listen", at], args].concat();
    let lb = Lb::start(backends, &args);
    let mut address = None;
    until("it says where it listens", || {
        let said = lb.stderr();
        let rest = said.split("lb listens to heartbeats on ").nth(1);
        address = rest.and_then(|rest| rest.split(' ').next()?.parse().ok());
        address.is_some()
    });
    (lb, address.unwrap())
}

/// A sender for a backend, every half second.
fn sender(to: SocketAddr, backend: SocketAddr, args: &[&str]) -> Sender {
    let backend = backend.to_string();
    let common = ["--as", "web", "--interval", "500ms", "--address", &backend];
    Sender::start(to, &[&common, args].concat())
}

/// Waits until the balancer has said this of a backend; returns the line.
fn said(lb: &Lb, backend: SocketAddr, what: &str) -> String {
    let name = format!("{backend} ");
    let mut line = None;
    until(what, || {
        let stderr = lb.stderr();
        let mut lines = stderr.lines().filter(|line| line.contains(&name));
        line = lines.find(|line| line.contains(what)).map(str::to_owned);
        line.is_some()
    });
    line.unwrap()
}

/// The evidence in `no heartbeat for 1.5 s (phi 6.1)`.
fn silence(line: &str) -> Duration {
    let rest = line.split("no heartbeat for ").nth(1).expect("evidence");
    let seconds = rest.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_secs_f64(seconds.expect("a number"))
}

struct KeyFile(PathBuf);

impl KeyFile {
    fn new(name: &str, key: &str) -> Self {
        let name = format!("lb-test-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, key).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn silent_server_is_out_within_four_intervals_and_comes_back() {
    let backends = [Backend::echo(), Backend::echo()];
    let addresses = backends.each_ref().map(|backend| backend.address);
    let (lb, heartbeats) = listening(&addresses, &["--slow-start", "0s"]);
    let by_udp = sender(heartbeats, addresses[0], &[]);
    let by_tcp = sender(heartbeats, addresses[1], &["--tcp"]);
    for (sender, backend) in [(by_udp, addresses[0]), (by_tcp, addresses[1])] {
        said(&lb, backend, "sends heartbeats, as web, every 0.5 s");
        sender.signal(Signal::STOP);
        let line = said(&lb, backend, "-> ejected: no heartbeat for ");
        assert!(silence(&line) <= INTERVAL * 4, "{line}");
        sender.signal(Signal::CONT);
        said(
            &lb,
            backend,
            "ejected -> probation: its heartbeats are back",
        );
        until("it answers again", || {
            lb.assert_serves();
            lb.stderr()
                .contains(&format!("{backend} probation -> healthy"))
        });
    }
}

#[test]
fn a_process_that_dies_takes_its_backend_out_at_once() {
    let mut pi = Pi::start_many(2);
    let addresses = Pi::addresses(&pi);
    let (lb, heartbeats) = listening(&addresses, &[]);
    let pid = pi[0].pid().to_string();
    let sender = sender(heartbeats, addresses[0], &["--process", &pid]);
    said(&lb, addresses[0], "sends heartbeats");
    drop(pi.remove(0));
    said(&lb, addresses[0], "-> ejected: its process is dead");
    until("the sender says so", || {
        sender
            .stderr()
            .contains(&format!("lb: process {pid} is dead"))
    });
    for _ in 0..10 {
        lb.assert_serves();
    }
    sender.signal(Signal::TERM);
    assert_eq!(sender.wait().0, Some(0));
}

#[test]
fn with_a_key_only_signed_heartbeats_count() {
    let backends = [Backend::echo(), Backend::echo()];
    let addresses = backends.each_ref().map(|backend| backend.address);
    let ours = KeyFile::new("ours", "a key that is long enough\n");
    let other = KeyFile::new("other", "another that is long enough\n");
    let (lb, heartbeats) = listening(&addresses, &["--heartbeat-key", ours.path()]);
    let _good = sender(heartbeats, addresses[0], &["--key", ours.path()]);
    let _wrong = sender(heartbeats, addresses[1], &["--key", other.path()]);
    let _none = sender(heartbeats, addresses[1], &[]);
    let over_tcp = sender(heartbeats, addresses[1], &["--key", other.path(), "--tcp"]);
    said(&lb, addresses[0], "sends heartbeats");
    for reason in ["signed with another key", "without a tag"] {
        until(reason, || lb.stderr().contains(reason));
    }
    until("the sender heartbeat_events that it is not welcome", || {
        over_tcp.stderr().contains("cannot be reached")
    });
    let of_other = format!("{} sends heartbeats", addresses[1]);
    assert!(!lb.stderr().contains(&of_other), "{}", lb.stderr());
    assert_eq!(lb.stderr().matches("signed with another key").count(), 1);
    let ended = lb.terminate();
    assert!(ended.stderr.contains(" taken, "), "{}", ended.stderr);
    assert!(ended.stderr.contains("wrong_key "), "{}", ended.stderr);
}

#[test]
fn senders_outlive_the_balancer() {
    let backend = Backend::echo();
    let (first, heartbeats) = listening(&[backend.address], &[]);
    let senders = [&[][..], &["--tcp"]].map(|args| sender(heartbeats, backend.address, args));
    said(&first, backend.address, "sends heartbeats");
    assert_eq!(first.terminate().code, Some(0));
    for sender in &senders {
        until("it is missed", || {
            sender
                .stderr()
                .contains(&format!("{heartbeats} cannot be reached: "))
        });
    }
    let at = heartbeats.to_string();
    let (again, _) = listening_on(&at, &[backend.address], &[]);
    said(&again, backend.address, "sends heartbeats");
    for sender in &senders {
        until("it is found again", || {
            sender
                .stderr()
                .contains(&format!("{heartbeats} is reached again"))
        });
    }
}

#[test]
fn count_ends_the_sender_and_the_exit_code_says_whether_a_balancer_was_reached() {
    let backend = Backend::echo();
    let (lb, heartbeats) = listening(&[backend.address], &[]);
    let fast = ["--interval", "100ms", "--count", "3", "--as"];
    let name = backend.address.to_string();
    for by in [&[][..], &["--tcp"]] {
        let args = [&fast[..], &[&name], by].concat();
        let (code, stderr) = Sender::start(heartbeats, &args).wait();
        assert_eq!(code, Some(0), "{stderr}");
    }
    said(&lb, backend.address, "sends heartbeats");
    let ended = lb.terminate();
    let taken = ended
        .stderr
        .split("\nheartbeats   ")
        .nth(1)
        .expect("counts");
    let taken: u32 = taken.split(' ').next().unwrap().parse().unwrap();
    // By TCP one may be overtaken by the next while the connection is being made.
    assert!((4..=6).contains(&taken), "{}", ended.stderr);
    for by in [&[][..], &["--tcp"]] {
        let args = [&fast[..], &["nobody"], by].concat();
        let (code, stderr) = Sender::start(heartbeats, &args).wait();
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains("cannot be reached: "), "{stderr}");
    }
}

#[test]
fn balancer_that_was_held_up_misses_no_sender() {
    let backends = [Backend::echo(), Backend::echo()];
    let addresses = backends.each_ref().map(|backend| backend.address);
    for workers in ["1", "2"] {
        let (lb, heartbeats) = listening(&addresses, &["--workers", workers]);
        let fast = ["--interval", "500ms", "--as"];
        let names = addresses.map(|address| address.to_string());
        let _by_udp = Sender::start(heartbeats, &[&fast[..], &[&names[0]]].concat());
        let _by_tcp = Sender::start(heartbeats, &[&fast[..], &[&names[1], "--tcp"]].concat());
        for address in addresses {
            said(&lb, address, "sends heartbeats");
        }
        lb.signal(Signal::STOP);
        // Three times the silence that ejects.
        stays("it is held up", INTERVAL * 9, || true);
        lb.signal(Signal::CONT);
        // What the pause could lead to is over with the first turns: waiting longer would only see
        // whether a busy machine keeps the senders from sending.
        for _ in 0..3 {
            lb.assert_serves();
        }
        assert!(!lb.stderr().contains("ejected"), "{}", lb.stderr());
    }
}

#[test]
fn unknown_backend_is_logged_once() {
    let backend = Backend::echo();
    let (lb, heartbeats) = listening(&[backend.address], &[]);
    let args = ["--as", "stranger", "--interval", "100ms", "--count", "5"];
    assert_eq!(Sender::start(heartbeats, &args).wait().0, Some(0));
    let ended = lb.terminate();
    let told = "refused: for no backend, or for more than one: stranger\n";
    assert_eq!(ended.stderr.matches(told).count(), 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("unknown_backend "),
        "{}",
        ended.stderr
    );
}

#[test]
fn floods_of_garbage_do_not_block_traffic() {
    let backend = Backend::echo();
    let (lb, heartbeats) = listening(&[backend.address], &[]);
    lb.assert_serves();
    let before = lb.usage().open_fds();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut noise = (0_u32..).map(|n| n.wrapping_mul(2_654_435_761) >> 7);
    for round in 0..20_000 {
        let mut datagram = noise.next().unwrap().to_le_bytes().repeat(round % 160);
        if round % 3 == 0 {
            datagram.splice(..0, *b"LBHB\x01");
        }
        // A full buffer of the system is a flood as well.
        let _ = stranger.send_to(&datagram, heartbeats);
    }
    let mut strangers: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(heartbeats).unwrap())
        .collect();
    for (nth, stranger) in strangers.iter_mut().enumerate() {
        let garbage = [0, 40].repeat(nth * 50);
        // It may be closed already.
        let _ = stranger.write_all(&garbage);
    }
    lb.assert_serves();
    let _sender = sender(heartbeats, backend.address, &["--tcp"]);
    said(&lb, backend.address, "sends heartbeats");
    drop(strangers);
    until("descriptors come back", || {
        lb.usage().open_fds() <= before + 1
    });
    stays("it is not missed", INTERVAL * 4, || {
        !lb.stderr().contains("ejected")
    });
}

#[test]
fn an_address_that_cannot_be_had_is_refused_at_the_start() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let listen = address.to_string();
    let args = [
        "--backends",
        "1",
        "--listen",
        "0",
        "--heartbeat-listen",
        &listen,
    ];
    let output = Lb::run(&args);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        format!(
            "lb: --heartbeat-listen '{address}': the address is in use; \
             stop what listens there or choose another port\n"
        )
    );
}

#[test]
fn unsigned_heartbeats_of_other_machines_give_a_warning() {
    let backend = Backend::echo();
    let (lb, _) = listening_on("*:0", &[backend.address], &[]);
    until("the warning", || {
        lb.stderr()
            .contains("lb: warning: whoever reaches 0.0.0.0:")
    });
}
