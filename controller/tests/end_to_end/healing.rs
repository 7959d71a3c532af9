//! Servers, agents and the controller are killed and stopped.

use super::support::{Fleet, is_alive, port_block, signal_to, web};
use std::time::Duration;

#[test]
fn a_killed_server_is_launched_again_and_the_others_are_left_alone() {
    let fleet = Fleet::start("kill", &web(port_block(), "desired = 3, max = 5", ""));
    fleet.wait_serving(3);
    let before = fleet.pids();
    signal_to(before[0].1, "-KILL");
    fleet.wait(10, "relaunched", |it| it.launches() == 4);
    fleet.wait(15, "three serve", |it| {
        it.serving() == 3 && !it.pids().contains(&before[0])
    });
    for (token, pid) in &before[1..] {
        assert_eq!(fleet.server_pid(token), Some(*pid));
    }
    assert!(
        fleet.history().contains("killed by signal 9"),
        "{}",
        fleet.history()
    );
    assert_eq!(fleet.launches(), 4);
}

#[test]
fn a_killed_controller_finds_everything_as_it_was() {
    let mut fleet = Fleet::start("controller", &web(port_block(), "desired = 3, max = 5", ""));
    fleet.wait_serving(3);
    let before = fleet.pids();
    let puts = fleet.lb.inner.lock().unwrap().puts;
    fleet.kill_controller();
    fleet.run();
    fleet.wait(10, "the set is confirmed", |it| {
        it.lb.inner.lock().unwrap().puts > puts
    });
    fleet.wait(10, "three serve", |it| it.serving() == 3);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(
        (fleet.pids(), fleet.launches()),
        (before, 3),
        "{}",
        fleet.log()
    );
}

#[test]
fn a_killed_agent_is_replaced_and_its_server_does_not_notice() {
    let fleet = Fleet::start("agent", &web(port_block(), "desired = 2, max = 3", ""));
    fleet.wait_serving(2);
    let before = fleet.pids();
    let (token, pid) = before[0].clone();
    let agent = fleet.agent_pid(&token).expect("an agent");
    signal_to(agent, "-KILL");
    fleet.wait(10, "adopted", |it| {
        it.agent_pid(&token)
            .is_some_and(|pid| pid != agent && is_alive(pid))
    });
    std::thread::sleep(Duration::from_secs(1));
    assert!(is_alive(pid));
    assert_eq!((fleet.pids(), fleet.launches()), (before, 2));
    // The new agent sees its end.
    signal_to(pid, "-KILL");
    fleet.wait(15, "relaunched", |it| {
        it.launches() == 3 && it.serving() == 2
    });
}

#[test]
fn a_stopped_server_is_replaced_on_the_word_of_two_vantage_points() {
    let fleet = Fleet::start("stop", &web(port_block(), "desired = 3, max = 5", ""));
    fleet.wait_serving(3);
    fleet.wait(25, "observing is over", |it| {
        it.get("/v1/holds")["holds"]
            .as_array()
            .is_some_and(Vec::is_empty)
    });
    let pids = fleet.pids();
    // Five seconds are no reason.
    signal_to(pids[1].1, "-STOP");
    std::thread::sleep(Duration::from_secs(5));
    signal_to(pids[1].1, "-CONT");
    signal_to(pids[0].1, "-STOP");
    fleet.wait(25, "a replacement serves", |it| {
        it.launches() == 4 && it.serving() == 3
    });
    fleet.wait(30, "the stopped one is gone", |_| !is_alive(pids[0].1));
    let history = fleet.history();
    assert!(
        history.contains("hangs: traffic: ejected by lb (no response); beside: process is stopped"),
        "{history}"
    );
    assert_eq!(fleet.server_pid(&pids[1].0), Some(pids[1].1));
    assert!(is_alive(pids[1].1));
}

#[test]
fn a_server_that_ends_at_every_start_is_quarantined() {
    let ports = port_block();
    let service = format!(
        "{}\n[service.bad]\ncommand = [\"/bin/false\"]\nservers = {{ desired = 1 }}\n",
        web(ports, "desired = 1, max = 2", "")
    );
    let fleet = Fleet::start("loop", &service);
    let waited = fleet.wait(40, "quarantined", |it| {
        it.servers().iter().any(|it| it["state"] == "quarantined")
    });
    println!("crash loop: quarantined after {waited:?}");
    let history = fleet.history();
    assert!(history.contains("5 deaths in 10 minutes"));
    // Doubling, a fifth more or less. The fifth death is the last: there is no sixth launch.
    let waits: Vec<f64> = history
        .lines()
        .filter_map(|line| {
            line.split_once("starts again in ")?
                .1
                .split(' ')
                .next()?
                .parse()
                .ok()
        })
        .collect();
    println!("waits of a crash loop: {waits:?} s");
    assert_eq!(waits.len(), 4, "{history}");
    for (wait, plain) in waits.iter().zip([0.0, 1.0, 2.0, 4.0]) {
        assert!((0.79 * plain..=1.21 * plain).contains(wait), "{waits:?}");
    }
    assert_eq!(
        fleet.launches(),
        6,
        "five of it and one of the other\n{}",
        fleet.log()
    );
    assert_eq!(fleet.serving(), 1);
}

#[test]
fn a_server_that_never_listens_is_ended_in_time_and_never_in_a_set() {
    let service = format!(
        "[service.web]\ncommand = [\"/bin/sh\", \"-c\", \"exec sleep 600 # {{port}}\"]\nports = \"{0}-{1}\"\n\
         check = \"/ping\"\npool = \"default\"\nservers = {{ desired = 1, max = 2 }}\n\
         start_timeout = 1\n",
        port_block(),
        port_block()
    );
    let fleet = Fleet::start("never", &service);
    let first = {
        fleet.wait(20, "it runs", |it| !it.pids().is_empty());
        fleet.pids()[0].1
    };
    fleet.wait(30, "it is given up and started again", |it| {
        it.launches() >= 2
    });
    fleet.wait(20, "the first is ended", |_| !is_alive(first));
    let history = fleet.history();
    assert!(history.contains("not ready within 1 s"), "{history}");
    fleet.wait(60, "quarantined", |it| {
        it.servers().iter().any(|it| it["state"] == "quarantined")
    });
    assert_eq!(fleet.launches(), 5);
    let sets = fleet.lb.inner.lock().unwrap().named.clone();
    assert!(sets.is_empty(), "was in a set: {sets:?}");
}

#[test]
fn a_port_that_is_taken_is_named_and_the_next_one_is_used() {
    let ports = port_block();
    let listener = std::net::TcpListener::bind(("127.0.0.1", ports)).expect("is free");
    let fleet = Fleet::start("port", &web(ports, "desired = 1, max = 2", ""));
    fleet.wait_serving(1);
    let expected = format!("127.0.0.1:{}", ports + 1);
    assert_eq!(
        fleet.servers()[0]["address"].as_str(),
        Some(expected.as_str())
    );
    let text = format!("address 127.0.0.1:{ports} is taken by ");
    assert!(fleet.history().contains(&text), "{}", fleet.history());
    assert!(
        fleet
            .history()
            .contains(&format!("(process {})", std::process::id()))
    );
    drop(listener);
}

#[test]
fn agents_that_are_alone_start_their_servers_again_and_report_it() {
    let mut fleet = Fleet::start("alone", &web(port_block(), "desired = 4, max = 5", ""));
    fleet.wait_serving(4);
    let before = fleet.pids();
    fleet.kill_controller();
    let dead = &before[..3];
    for (_, pid) in dead {
        signal_to(*pid, "-KILL");
    }
    let started = |it: &Fleet, (token, pid): &(String, u32)| {
        it.server_pid(token)
            .is_some_and(|new| new != *pid && is_alive(new))
    };
    let waited = fleet.wait(40, "their agents start them again", |it| {
        let now = dead.iter().filter(|server| started(it, server)).count();
        now == 3
    });
    println!("alone: three servers run again after {waited:?}");
    assert!(
        waited > Duration::from_secs(8),
        "too early: a controller may lead: {waited:?}"
    );
    let after = fleet.pids_of(&before);
    assert_eq!(after[3], before[3], "the one that lives is left alone");
    fleet.run();
    fleet.wait(20, "four serve", |it| it.serving() == 4);
    fleet.wait(20, "it is reported", |it| {
        it.history()
            .matches("while no controller led: 1 times")
            .count()
            == 3
    });
    // Nothing is started a second time: not by an agent, not by the controller.
    fleet.wait(60, "observing is over", |it| {
        it.get("/v1/holds")["holds"]
            .as_array()
            .is_some_and(Vec::is_empty)
    });
    assert_eq!(
        (fleet.pids_of(&before), fleet.launches()),
        (after, 4),
        "{}",
        fleet.log()
    );
}

#[test]
fn a_set_that_is_refused_is_shown_and_tried_again() {
    let fleet = Fleet::start("refused", &web(port_block(), "desired = 2, max = 3", ""));
    fleet.wait_serving(2);
    let body =
        serde_json::json!({ "error": { "code": "too_few", "message": "1 of 3 would be left" } });
    fleet.lb.inner.lock().unwrap().refuse = Some((422, body));
    fleet.call("POST", "/v1/services/web/scale", r#"{"want":3}"#);
    fleet.wait(20, "the refusal is shown", |it| {
        it.get("/v1/lbs")["lbs"][0]["pools"][0]["refused"] == "1 of 3 would be left"
    });
    fleet.lb.inner.lock().unwrap().refuse = None;
    fleet.wait_serving(3);
}

#[test]
fn an_lb_that_was_restarted_gets_its_set_again() {
    let fleet = Fleet::start("reboot", &web(port_block(), "desired = 2, max = 3", ""));
    fleet.wait_serving(2);
    fleet.lb.reboot();
    fleet.wait(8, "the set is there", |it| it.lb.backends().len() == 2);
    let modes: Vec<String> = fleet
        .lb
        .backends()
        .into_iter()
        .map(|(_, mode)| mode)
        .collect();
    assert_eq!(modes, ["warm", "warm"]);
    assert_eq!(fleet.launches(), 2);
}

#[test]
fn servers_that_exist_are_watched_and_never_launched() {
    let ports = port_block();
    let mut servers: Vec<std::process::Child> = (ports..ports + 2)
        .map(|port| {
            let port = port.to_string();
            let mut command = std::process::Command::new(super::support::pi_backend());
            command.args(["--term-us", "0", "--port", port.as_str()]);
            command
                .stdout(std::process::Stdio::null())
                .spawn()
                .expect("starts")
        })
        .collect();
    let service = format!(
        "[service.old]\nprovider = \"fixed\"\npool = \"default\"\ncheck = \"/ping\"\n\
         addresses = [\"127.0.0.1:{ports}\", \"127.0.0.1:{}\"]\n",
        ports + 1
    );
    let mut fleet = Fleet::start("fixed", &service);
    fleet.wait_serving(2);
    fleet.kill_controller();
    fleet.run();
    fleet.wait_serving(2);
    servers[0].kill().expect("is killed");
    servers[0].wait().expect("is reaped");
    fleet.wait(50, "told and left alone", |it| {
        it.history()
            .contains("not replaced (a fixed server cannot be replaced)")
    });
    assert_eq!((fleet.serving(), fleet.launches()), (2, 0));
    servers[1].kill().expect("is killed");
    servers[1].wait().expect("is reaped");
}
