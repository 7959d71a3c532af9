//! Growing and shrinking behind the real lb: by load, with long responses and tunnels under way.

use super::lb_process::LbProcess;
use super::support::{Fleet, is_alive, request};
use super::test_server::service;
use super::traffic::Traffic;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

fn start(name: &str, servers: &str, more: &str, count: usize) -> (LbProcess, Fleet) {
    let lb = LbProcess::start(name);
    let fleet = Fleet::start_behind(name, Some(lb.admin.clone()), "", &service(servers, more));
    // A server is tried by a request.
    fleet.wait(60, "all serve and are picked", |it| {
        request(&lb.listen, "GET", "/", "", "");
        it.serving() == count && lb.open().len() == count
    });
    (lb, fleet)
}

fn want(fleet: &Fleet) -> u64 {
    fleet.get("/v1/services")["services"][0]["want"]
        .as_u64()
        .unwrap_or(0)
}

fn wait_until_observed(fleet: &Fleet) {
    fleet.wait(60, "observing is over", |it| {
        it.get("/v1/holds")["holds"]
            .as_array()
            .is_some_and(Vec::is_empty)
    });
}

#[test]
fn load_times_three_makes_the_fleet_grow_until_answers_are_quick_again() {
    let scale = "max_in_flight = 1\nscale = { policy = \"tracking\", concurrency = 1 }";
    let (lb, fleet) = start("s-load", "min = 2, desired = 2, max = 10", scale, 2);
    wait_until_observed(&fleet);
    // A request of 100 ms and a pause of 200 ms: three clients are the work of one server.
    let mut traffic = Traffic::start(&lb.listen, "/busy/100", 3, Duration::from_millis(200));
    let calm = Instant::now();
    thread::sleep(Duration::from_secs(15));
    let (before, served) = (traffic.p99(calm), want(&fleet));
    let threefold = Instant::now();
    traffic.add(6);
    let rose = fleet.wait(30, "more are wanted", |it| want(it) > served);
    fleet.wait(60, "more are picked", |_| lb.open().len() > served as usize);
    let picked = threefold.elapsed();
    let quick = fleet.wait(120, "answers are quick again", |it| {
        let ten = Instant::now() - Duration::from_secs(5);
        ten > threefold && it.serving() as u64 == want(it) && traffic.p99(ten) < before * 2
    });
    println!(
        "load x3: p99 {before:?} before; want {served} -> {} after {rose:?}, picked after \
         {picked:?}, p99 under twice that after {quick:?} more",
        want(&fleet)
    );
    traffic.assert_none_lost();
}

/// A tunnel through lb; what is sent comes back.
struct Tunnel(TcpStream);

impl Tunnel {
    fn open(address: &str) -> Self {
        let mut stream = TcpStream::connect(address).expect("lb answers");
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).expect("a limit");
        let head =
            "GET /tunnel HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("is sent");
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("an answer");
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{answer:?}");
        Self(stream)
    }

    fn echoes(&mut self) -> bool {
        let mut back = [0; 5];
        self.0.write_all(b"hello").is_ok()
            && self.0.read_exact(&mut back).is_ok()
            && &back == b"hello"
    }
}

#[test]
fn scale_in_cuts_neither_long_responses_nor_tunnels() {
    let (lb, fleet) = start(
        "s-in",
        "min = 1, desired = 4, max = 4",
        "drain_timeout = 60",
        4,
    );
    wait_until_observed(&fleet);
    let mut tunnels: Vec<Tunnel> = (0..20).map(|_| Tunnel::open(&lb.listen)).collect();
    let before = fleet.pids();
    let cut = thread::scope(|scope| {
        let listen = lb.listen.as_str();
        let long: Vec<_> = (0..200)
            .map(|_| scope.spawn(move || request(listen, "GET", "/slow/8000", "", "")))
            .collect();
        thread::sleep(Duration::from_secs(1));
        let (status, answer) = fleet.call("POST", "/v1/services/web/scale", r#"{"want":3}"#);
        assert_eq!(status, 200, "{answer}");
        fleet.wait(30, "one is drained", |it| {
            it.servers().iter().any(|it| it["state"] == "draining")
        });
        long.into_iter()
            .map(|it| it.join().expect("ends"))
            .filter(|(status, body)| *status != 200 || body.len() != 32)
            .count()
    });
    assert_eq!(cut, 0, "of 200 responses of 8 s");
    // Tunnels hold the drain up to its deadline, which is not over.
    assert!(fleet.servers().iter().any(|it| it["state"] == "draining"));
    let alive = tunnels
        .iter_mut()
        .filter_map(|it| it.echoes().then_some(()));
    assert_eq!(alive.count(), 20, "tunnels live before the deadline");
    println!("scale-in: 0 of 200 long responses and 0 of 20 tunnels cut before the deadline");
    // Once its tunnels are closed the server is empty, and goes.
    let emptied = Instant::now();
    drop(tunnels);
    fleet.wait(40, "it is gone", |it| {
        it.servers().iter().all(|it| it["state"] == "serving") && it.serving() == 3
    });
    println!(
        "scale-in: gone {:?} after its last tunnel closed",
        emptied.elapsed()
    );
    let history = fleet.history();
    assert!(
        history.contains("draining -> terminating: empty"),
        "{history}"
    );
    let left = before.iter().filter(|(_, pid)| is_alive(*pid)).count();
    assert_eq!(left, 3);
}

#[test]
fn more_wanted_during_a_drain_takes_the_same_server_back() {
    let (lb, fleet) = start("s-back", "min = 1, desired = 3, max = 4", "", 3);
    wait_until_observed(&fleet);
    let before = fleet.pids();
    let mut tunnels: Vec<Tunnel> = (0..12).map(|_| Tunnel::open(&lb.listen)).collect();
    fleet.call("POST", "/v1/services/web/scale", r#"{"want":2}"#);
    fleet.wait(30, "one is drained", |_| lb.open().len() == 2);
    fleet.call("POST", "/v1/services/web/scale", r#"{"want":3}"#);
    fleet.wait(30, "it is picked again", |it| {
        request(&lb.listen, "GET", "/", "", "");
        it.serving() == 3 && lb.open().len() == 3
    });
    assert_eq!((fleet.pids(), fleet.launches()), (before, 3));
    assert!(tunnels.iter_mut().all(Tunnel::echoes));
    let history = fleet.history();
    assert!(
        history.contains("draining -> serving: wanted again"),
        "{history}"
    );
}
