//! Deaths, hangs and restarts behind the real lb while requests come all the time: none is lost.
//!
//! Each prints the times that it saw; what it asserts of them is several times as long, since the
//! machine may be busy. The order of things is asserted strictly.

use super::lb_process::LbProcess;
use super::support::{Fleet, is_alive, request, signal_to};
use super::test_server::service;
use super::traffic::Traffic;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(10);

/// A fleet whose servers are all picked, under traffic.
struct Scene {
    traffic: Traffic,
    fleet: Fleet,
    lb: LbProcess,
}

impl Scene {
    fn start(name: &str, servers: &str, count: usize) -> Self {
        let lb = LbProcess::start(name);
        let fleet = Fleet::start_behind(name, Some(lb.admin.clone()), "", &service(servers, ""));
        let all_open = |it: &Fleet| it.serving() == count && lb.open().len() == count;
        // A server is tried by a request: some must come.
        let traffic = {
            fleet.wait(60, "all are in the set", |_| lb.backends().len() == count);
            Traffic::start(&lb.listen, "/", 4, PAUSE)
        };
        fleet.wait(60, "all serve and are picked", all_open);
        Self { traffic, fleet, lb }
    }

    /// A controller that has just started only watches for a while.
    fn wait_until_observed(&self) {
        self.fleet.wait(60, "observing is over", |it| {
            it.get("/v1/holds")["holds"]
                .as_array()
                .is_some_and(Vec::is_empty)
        });
    }

    /// Token, pid and name in lb of the server of this place.
    fn server(&self, nth: usize) -> (String, u32, String) {
        let server = &self.fleet.servers()[nth];
        let token = server["token"].as_str().unwrap().to_owned();
        let pid = self.fleet.server_pid(&token).expect("runs");
        (token, pid, backend(server))
    }

    fn end(self) {
        self.traffic.assert_none_lost();
    }
}

/// The name of a server in lb.
fn backend(server: &serde_json::Value) -> String {
    let (id, incarnation) = (&server["id"], &server["incarnation"]);
    format!("web-{id}.{incarnation}")
}

#[test]
fn a_killed_server_loses_nothing_and_is_back_at_once() {
    let scene = Scene::start("t-kill", "desired = 4, max = 6", 4);
    let (token, pid, _) = scene.server(1);
    let launches = scene.fleet.launches();
    signal_to(pid, "-KILL");
    let killed = Instant::now();
    let relaunched = scene
        .fleet
        .wait(20, "relaunched", |it| it.launches() == launches + 1);
    scene.fleet.wait(30, "picked again", |it| {
        let new = it.servers().into_iter().find(|it| it["id"] == 2);
        new.is_some_and(|new| new["incarnation"] == 2 && scene.lb.is_open(&backend(&new)))
    });
    println!(
        "kill -9 of one of four: relaunched after {relaunched:?}, picked after {:?}",
        killed.elapsed()
    );
    let deaths = scene.fleet.history();
    assert!(deaths.contains("killed by signal 9"), "{deaths}");
    assert!(
        scene
            .fleet
            .servers()
            .iter()
            .all(|it| it["token"] != token.as_str())
    );
    assert_eq!(scene.fleet.launches(), launches + 1);
    scene.end();
}

#[test]
fn a_stopped_server_is_left_out_and_replaced_and_one_that_goes_on_is_not() {
    let scene = Scene::start("t-stop", "desired = 4, max = 6", 4);
    scene.wait_until_observed();
    let (token, pid, _) = scene.server(1);
    signal_to(pid, "-STOP");
    std::thread::sleep(Duration::from_secs(5));
    signal_to(pid, "-CONT");
    scene.fleet.wait(60, "all four are picked again", |it| {
        it.serving() == 4 && scene.lb.open().len() == 4
    });
    assert_eq!(scene.fleet.server_pid(&token), Some(pid));
    assert_eq!(scene.fleet.launches(), 4, "{}", scene.fleet.history());

    let (_, pid, name) = scene.server(2);
    signal_to(pid, "-STOP");
    let stopped = Instant::now();
    let out = scene
        .fleet
        .wait(30, "lb sends it nothing more", |_| !scene.lb.is_open(&name));
    scene.fleet.wait(60, "replaced", |it| {
        it.launches() == 5 && it.serving() == 4 && scene.lb.open().len() == 4
    });
    println!(
        "STOP of one of four: out after {out:?}, replaced after {:?}",
        stopped.elapsed()
    );
    let history = scene.fleet.history();
    let verdict = "hangs: traffic: ejected by lb";
    let line = history.lines().find(|it| it.contains(verdict));
    let line = line.unwrap_or_else(|| panic!("no verdict\n{history}"));
    assert!(line.contains("beside: process is stopped"), "{line}");
    scene
        .fleet
        .wait(60, "the stopped one is ended", |_| !is_alive(pid));
    scene.end();
}

#[test]
fn a_killed_agent_is_replaced_and_neither_server_nor_client_notices() {
    let scene = Scene::start("t-agent", "desired = 3, max = 4", 3);
    let (token, pid, name) = scene.server(0);
    let agent = scene.fleet.agent_pid(&token).expect("has an agent");
    signal_to(agent, "-KILL");
    let adopted = scene.fleet.wait(30, "adopted", |it| {
        it.agent_pid(&token)
            .is_some_and(|new| new != agent && is_alive(new))
    });
    scene.fleet.wait(30, "and heard", |it| {
        it.get("/v1/fleet")["agents"].as_u64() == Some(3)
    });
    println!("kill -9 of an agent: adopted after {adopted:?}");
    scene.traffic.wait_for(100);
    assert_eq!(scene.fleet.server_pid(&token), Some(pid));
    assert!(is_alive(pid) && scene.lb.is_open(&name));
    assert_eq!(scene.fleet.launches(), 3);
    scene.end();
}

#[test]
fn a_killed_controller_relaunches_nothing_and_confirms_the_set() {
    let mut scene = Scene::start("t-controller", "desired = 4, max = 6", 4);
    let before = scene.fleet.pids();
    scene.fleet.kill_controller();
    scene.traffic.wait_for(100);
    assert_eq!(scene.lb.open().len(), 4);
    scene.fleet.run();
    let confirmed = scene.fleet.wait(30, "the set is confirmed", |it| {
        let pool = it.get("/v1/lbs")["lbs"][0]["pools"][0].clone();
        pool["revision"].is_u64() && pool["taken_revision"] == pool["revision"]
    });
    println!("kill -9 of the controller: set confirmed {confirmed:?} after it led again");
    scene.fleet.wait(30, "all serve", |it| it.serving() == 4);
    scene.traffic.wait_for(100);
    assert_eq!((scene.fleet.pids(), scene.fleet.launches()), (before, 4));
    scene.end();
}

#[test]
fn an_lb_serves_its_last_set_before_a_controller_is_there() {
    let mut scene = Scene::start("t-lb", "desired = 3, max = 4", 3);
    let before = scene.fleet.pids();
    assert!(scene.lb.state().is_file());
    // With nobody to tell it: what it serves comes from its file.
    scene.fleet.kill_controller();
    scene.traffic.assert_none_lost();
    let lost = scene.traffic.lost();
    scene.lb.kill();
    let killed = Instant::now();
    scene.lb.run();
    scene.traffic.wait_for(100);
    println!(
        "lb killed without a controller: serves again {:?} later",
        killed.elapsed()
    );
    let lost = scene.traffic.lost() - lost;
    println!("{lost} requests came while there was no lb");
    // With a controller: the servers are known to serve, and get their share at once.
    scene.fleet.run();
    scene.fleet.wait(30, "all serve", |it| it.serving() == 3);
    scene.lb.kill();
    scene.lb.run();
    let mut ramps = false;
    scene.fleet.wait(30, "all are picked", |_| {
        ramps |= scene.lb.backends().iter().any(|it| it.1 == "slow-start");
        scene.lb.open().len() == 3
    });
    assert!(!ramps, "a server that serves was ramped up");
    scene.traffic.wait_for(100);
    assert_eq!((scene.fleet.pids(), scene.fleet.launches()), (before, 3));
}

#[test]
fn a_specification_that_lets_all_go_is_refused_and_traffic_flows_on() {
    let ports = super::support::port_block();
    let web = |servers: &str| super::support::web(ports, servers, "");
    let lb = LbProcess::start("t-none");
    let servers = "min = 0, desired = 10, max = 10";
    let fleet = Fleet::start_behind("t-none", Some(lb.admin.clone()), "", &web(servers));
    fleet.wait(60, "ten are in the set", |_| lb.backends().len() == 10);
    let traffic = Traffic::start(&lb.listen, "/20", 4, PAUSE);
    fleet.wait(60, "ten serve", |it| {
        it.serving() == 10 && lb.open().len() == 10
    });
    fleet.write("", &web("min = 0, desired = 0, max = 0"));
    let (status, answer) = fleet.call("POST", "/v1/apply", "");
    let why = answer["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert_eq!(status, 422, "{answer}");
    assert!(why.contains("from 10 servers to 0"), "{why}");
    println!("0 of 10: 422, {why}");
    traffic.wait_for(200);
    assert_eq!((fleet.serving(), lb.open().len()), (10, 10));
    // lb guards by itself, whatever a controller may say.
    let set = r#"{"fleet":"f","term":1,"revision":1,"backends":[]}"#;
    let path = "/v1/pools/default/sets/lb-controller";
    let head = "Content-Type: application/json\r\n";
    let (status, text) = request(&lb.admin, "PUT", path, head, set);
    assert!(matches!(status, 409 | 422), "{status} {text}");
    traffic.assert_none_lost();
}

#[test]
fn what_an_operator_drains_in_lb_stays_drained_and_is_not_replaced() {
    let scene = Scene::start("t-drain", "desired = 3, max = 5", 3);
    scene.wait_until_observed();
    let (token, pid, name) = scene.server(1);
    assert_eq!(scene.lb.post(&name, "drain"), 200);
    scene
        .fleet
        .wait(30, "nothing goes to it", |_| !scene.lb.is_open(&name));
    // Longer than any verdict takes: neither undone nor replaced.
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        assert!(!scene.lb.is_open(&name), "the drain was undone");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(scene.fleet.launches(), 3, "{}", scene.fleet.history());
    assert_eq!(scene.fleet.server_pid(&token), Some(pid));
    assert!(is_alive(pid));
    // A new set does not undo it either.
    scene
        .fleet
        .call("POST", "/v1/services/web/scale", r#"{"want":4}"#);
    scene
        .fleet
        .wait(30, "one more is picked", |_| scene.lb.open().len() == 3);
    assert!(!scene.lb.is_open(&name));
    assert_eq!(scene.lb.post(&name, "undrain"), 200);
    scene
        .fleet
        .wait(30, "it is picked again", |_| scene.lb.is_open(&name));
    scene.end();
}
