//! The HTTP API, its description, its limits.

use super::support::{Fleet, port_block, request, web};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

#[test]
fn operators_scale_remove_restart_and_pause() {
    let fleet = Fleet::start(
        "operate",
        &web(port_block(), "min = 1, desired = 2, max = 4", ""),
    );
    fleet.wait_serving(2);
    assert_eq!(fleet.call("POST", "/v1/services/web/create", "").0, 200);
    fleet.wait_serving(3);
    let id = fleet.servers()[0]["id"].as_u64().unwrap();
    let (status, answer) = fleet.call("DELETE", &format!("/v1/servers/{id}"), "");
    assert_eq!(status, 200, "{answer}");
    fleet.wait_serving(2);
    assert!(fleet.servers().iter().all(|it| it["id"] != id));
    let id = fleet.servers()[0]["id"].as_u64().unwrap();
    assert_eq!(
        fleet
            .call("POST", &format!("/v1/servers/{id}/restart"), "")
            .0,
        200
    );
    fleet.wait(30, "restarted", |it| {
        let servers = it.servers();
        servers
            .iter()
            .any(|it| it["id"] == id && it["incarnation"] == 2 && it["state"] == "serving")
    });
    assert_eq!(fleet.call("POST", "/v1/pause", r#"{"why":"disks"}"#).0, 200);
    let holds = fleet.get("/v1/holds");
    assert!(holds.to_string().contains("disks"), "{holds}");
    for (method, path, body, expected) in [
        ("POST", "/v1/services/web/scale", r#"{"want":9}"#, 409),
        ("POST", "/v1/services/web/scale", "", 400),
        ("POST", "/v1/services/web/scale", "{", 400),
        ("POST", "/v1/services/none/create", "", 404),
        ("POST", "/v1/services/web/explode", "", 404),
        ("DELETE", "/v1/servers/999", "", 404),
        ("DELETE", "/v1/servers/x", "", 404),
        ("POST", "/v1/servers/999/retry", "", 404),
        ("GET", "/nothing", "", 404),
    ] {
        assert_eq!(
            fleet.call(method, path, body).0,
            expected,
            "{method} {path}"
        );
    }
    assert_eq!(
        fleet.call("POST", &format!("/v1/servers/{id}/retry"), "").0,
        409
    );
}

#[test]
fn a_specification_is_applied_and_one_that_lets_most_go_is_not() {
    let ports = port_block();
    let fleet = Fleet::start("apply", &web(ports, "min = 1, desired = 3, max = 4", ""));
    fleet.wait_serving(3);
    fleet.write("", &web(ports, "min = 1, desired = 4, max = 4", ""));
    assert_eq!(fleet.call("POST", "/v1/apply", "").0, 200);
    fleet.wait_serving(4);
    fleet.write("", &web(ports, "min = 0, desired = 0, max = 1", ""));
    let (status, answer) = fleet.call("POST", "/v1/apply", "");
    assert_eq!(status, 422);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("from 4 servers to 1"),
        "{answer}"
    );
    fleet.write("", &web(ports, "wrong = 1", ""));
    let (status, answer) = fleet.call("POST", "/v1/apply", "");
    assert_eq!(status, 422);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("fleet.toml:"),
        "{answer}"
    );
    assert_eq!(fleet.serving(), 4);
}

/// Every path and method of the description is answered, and everything answered is described.
#[test]
fn the_description_holds() {
    let fleet = Fleet::start("openapi", &web(port_block(), "desired = 1, max = 2", ""));
    fleet.wait_serving(1);
    let description = fleet.get("/v1/openapi.json");
    let paths = description["paths"].as_object().expect("paths");
    assert!(paths.len() >= 20, "{}", paths.len());
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            if path.ends_with("/stream") || path == "/v1/live" {
                continue;
            }
            let filled = path.replace("{service}", "web").replace("{server}", "999");
            let (status, answer) = fleet.call(&method.to_uppercase(), &filled, "");
            let described = operation["responses"].as_object().unwrap();
            assert!(
                described.contains_key(&status.to_string()),
                "{method} {path}: {status} {answer}"
            );
            let required = &described[&status.to_string()]["content"]["application/json"]["schema"]
                ["required"];
            if status >= 400 {
                for key in ["code", "message"] {
                    let text = answer["error"][key].as_str().unwrap_or_default();
                    assert!(!text.is_empty(), "{method} {path}: {answer}");
                }
            }
            for key in required.as_array().into_iter().flatten() {
                assert!(
                    answer.get(key.as_str().unwrap()).is_some(),
                    "{method} {path} lacks {key}: {answer}"
                );
            }
        }
    }
    let servers = fleet.servers();
    let schema = &description["components"]["schemas"]["Server"]["properties"];
    for key in servers[0].as_object().unwrap().keys() {
        assert!(
            schema.get(key).is_some(),
            "{key} of a server is not described"
        );
    }
    let services = fleet.get("/v1/services");
    let schema = &description["components"]["schemas"]["Service"]["properties"];
    for key in services["services"][0].as_object().unwrap().keys() {
        assert!(
            schema.get(key).is_some(),
            "{key} of a service is not described"
        );
    }
}

#[test]
fn events_are_streamed_and_resumed() {
    let fleet = Fleet::start("stream", &web(port_block(), "desired = 1, max = 3", ""));
    fleet.wait_serving(1);
    let read = |head: &str, until: &str| {
        let mut stream = TcpStream::connect(&fleet.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(15)))
            .unwrap();
        write!(
            stream,
            "GET /v1/events/stream HTTP/1.1\r\nHost: {}\r\n{head}\r\n",
            fleet.address
        )
        .unwrap();
        let (mut text, mut buffer) = (String::new(), [0; 4_096]);
        let mut asked = false;
        while !text.contains(until) {
            let count = stream.read(&mut buffer).expect("an event comes");
            assert!(count > 0, "the stream ended: {text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
            if !asked && text.contains("text/event-stream") {
                asked = true;
                fleet.call("POST", "/v1/services/web/scale", r#"{"want":2}"#);
            }
        }
        text
    };
    let live = read("", "wants 2 instead of 1");
    assert!(!live.contains("wants 1"), "{live}");
    let resumed = read("Last-Event-ID: 1\r\n", "wants 2 instead of 1");
    assert!(
        resumed.contains("id: 2\n") && !resumed.contains("id: 1\n"),
        "{resumed}"
    );
}

#[test]
fn strangers_garbage_and_other_sites_are_kept_out() {
    let fleet = Fleet::start("garbage", &web(port_block(), "desired = 1, max = 2", ""));
    fleet.wait_serving(1);
    let (status, _) = request(
        &fleet.address,
        "GET",
        "/v1/fleet",
        "Origin: http://evil.example\r\n",
        "",
    );
    assert_eq!(status, 403);
    let text = "GET /v1/fleet HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(&fleet.address).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let (status, _) = request(
        &fleet.address,
        "POST",
        "/v1/pause",
        "",
        &"x".repeat(100_000),
    );
    assert_eq!(status, 413);
    for garbage in [
        &b"\x00\xff\x00\xff"[..],
        b"GET",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut stream = TcpStream::connect(&fleet.address).unwrap();
        let _ = stream.write_all(garbage);
    }
    assert_eq!(fleet.call("GET", "/healthz", "").0, 200);
    assert_eq!(fleet.call("GET", "/readyz", "").0, 200);
    let (_, metrics) = request(&fleet.address, "GET", "/metrics", "", "");
    assert!(
        metrics.contains("lb_fleet_servers_serving{service=\"web\"} 1"),
        "{metrics}"
    );
}

#[test]
fn the_client_prints_tables_and_refusals() {
    let fleet = Fleet::start("ctl", &web(port_block(), "desired = 1, max = 2", ""));
    fleet.wait_serving(1);
    let ctl = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_lb-controller"))
            .args(["ctl", "--controller", &fleet.address])
            .args(words)
            .output()
            .expect("runs");
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (done, out, _) = ctl(&["status"]);
    assert!(
        done && out.contains("web") && out.contains("serving"),
        "{out}"
    );
    let (done, _, err) = ctl(&["scale", "web", "7"]);
    assert!(!done && err.contains("outside its bounds, 1 to 2"), "{err}");
    let (done, out, _) = ctl(&["scale", "web", "2"]);
    assert!(done && out.contains("web wants 2 servers"), "{out}");
    let (done, out, _) = ctl(&["events"]);
    assert!(done && out.contains("planned"), "{out}");
    let (_, out, _) = ctl(&["--json", "decisions", "web"]);
    let _: Value = serde_json::from_str(&out).expect("JSON");
}

#[test]
fn a_mistake_in_the_file_is_shown_with_its_place() {
    let path = std::env::temp_dir().join(format!("lb-check-{}.toml", std::process::id()));
    std::fs::write(&path, "[service.web]\ncomand = [\"x\"]\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lb-controller"))
        .arg("check")
        .arg(&path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success()
            && text.contains(":2:1: unknown key comand: did you mean command?"),
        "{text}"
    );
    std::fs::remove_file(&path).unwrap();
}
