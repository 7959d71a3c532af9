//! Agents of existing fleets, here the own one in that role: registered by `onConnect`, pinged,
//! scaled by the mean of what they tell.

use super::support::{Fleet, is_alive, pi_backend, port_block, request, signal_to};
use std::path::Path;
use std::time::{Duration, Instant};

/// A free port at every address of this machine.
fn free_port() -> u16 {
    let free = std::net::TcpListener::bind("0.0.0.0:0").expect("a port");
    free.local_addr().expect("an address").port()
}

/// Servers that each have an address of their own, as existing agents all listen at one port.
fn start(compat: &str, agent_port: u16) -> Fleet {
    let (first, pi) = (port_block(), pi_backend().display().to_string());
    let agent = Path::new(env!("CARGO_BIN_EXE_lb-agent"))
        .display()
        .to_string();
    let host = format!("127.0.3.$(({{port}} - {first} + 1))");
    let script = format!(
        "exec {agent} --compat-listen {host}:{agent_port} --announce {compat} --load slider \
         -- {pi} --host {host} --port {{port}}"
    );
    let service = format!(
        "[service.old]\ncommand = [\"/bin/sh\", \"-c\", {script:?}]\nports = \"{first}-{}\"\n\
         check = \"announced\"\nservers = {{ min = 1, desired = 1, max = 3 }}\n\
         scale = {{ policy = \"mean-load\", threshold = 0.6 }}\n",
        first + 11
    );
    let own = format!("compat_listen = \"{compat}\"\ncompat_agent_port = {agent_port}");
    Fleet::start_with("table", &own, &service)
}

/// The addresses by which pages of existing fleets know the servers, and their loads.
fn servers(compat: &str) -> Vec<(String, f64)> {
    let (_, text) = request(compat, "GET", "/servers/", "", "");
    let servers: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let each = servers.as_object().into_iter().flatten();
    each.map(|(ip, server)| (ip.clone(), server["load"].as_f64().unwrap_or(-1.0)))
        .collect()
}

fn want(fleet: &Fleet) -> u64 {
    fleet.get("/v1/services")["services"][0]["want"]
        .as_u64()
        .unwrap_or(0)
}

#[test]
fn the_table_of_existing_autoscalers_holds() {
    let (compat, agent_port) = (format!("127.0.0.1:{}", free_port()), free_port());
    let fleet = start(&compat, agent_port);
    let set = |load: f64| {
        for (ip, _) in servers(&compat) {
            let at = format!("{ip}:{agent_port}");
            let body = format!("{{\"load\": {load}}}");
            let (status, text) = request(&at, "POST", "/load/", "", &body);
            assert_eq!(status, 200, "{text}");
        }
    };
    fleet.wait(60, "one serves", |it| it.serving() == 1);
    let first = fleet.pids()[0].1;
    // A load of 0.0 is alive: two pings go by, and nothing happens.
    let until = Instant::now() + Duration::from_secs(11);
    while Instant::now() < until {
        assert!(is_alive(first) && want(&fleet) == 1);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(servers(&compat).len(), 1);
    assert_eq!(servers(&compat)[0].1, 0.0);
    set(0.6);
    fleet.wait(60, "at the threshold one more", |it| want(it) == 2);
    fleet.wait(60, "two serve", |it| it.serving() == 2);
    // The new one tells 0.0: the mean is below the threshold until it is set, too.
    fleet.wait(60, "three serve", |it| {
        set(0.6);
        it.serving() == 3
    });
    let youngest = fleet.servers()[2]["id"].as_u64();
    let until = Instant::now() + Duration::from_secs(11);
    while Instant::now() < until {
        set(0.6);
        assert_eq!(want(&fleet), 3, "no more than the maximum");
        std::thread::sleep(Duration::from_millis(200));
    }
    fleet.wait(90, "below the threshold one fewer", |it| {
        set(0.59);
        want(it) == 2
    });
    fleet.wait(60, "the last added goes", |it| {
        it.servers().iter().all(|it| it["id"].as_u64() != youngest)
    });
    fleet.wait(120, "down to desired", |it| {
        want(it) == 1 && it.servers().len() == 1
    });
    assert_eq!(fleet.pids()[0].1, first, "the first one stays");
    signal_to(first, "-KILL");
    fleet.wait(60, "below desired it is filled at once", |it| {
        it.serving() == 1 && it.pids().first().is_some_and(|it| it.1 != first)
    });
}
