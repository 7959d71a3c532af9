//! Files of existing fleets and what they become.

use super::*;
use crate::spec::{Template, check};

fn told(source: &str, problems: Vec<Problem>) -> String {
    Report::new(Path::new("f.json"), source, problems).to_string()
}

#[test]
fn servers_of_both_spellings_become_a_service_that_is_watched() {
    let source = r#"{"10": {"node_name": "vm10", "node_ip": "10.0.0.10"},
        "2": {"node name": "vm2", "node ip": "10.0.0.2:9000"}}"#;
    let draft = servers::read(source, 80, true);
    assert!(draft.problems.is_empty() && draft.notes.is_empty());
    let text = head(&["http://127.0.0.1:9090".to_owned()]) + &draft.sections;
    let spec = check(&text).expect("is right");
    let Template::Fixed { addresses } = &spec.services[0].template else {
        panic!("exist already: {text}")
    };
    let expected: Vec<std::net::SocketAddr> = ["10.0.0.2:9000", "10.0.0.10:80"]
        .iter()
        .map(|it| it.parse().expect("an address"))
        .collect();
    assert_eq!(*addresses, expected, "in the order of their numbers");
    assert!(text.contains("# vm2: 10.0.0.2:9000"));
}

#[test]
fn mistakes_among_servers_are_all_told_with_their_places() {
    let source = "{\n\"1\": {\"node_name\": \"a\"},\n\"2\": {\"node_ip\": \"ten\"},\n\"3\": 7,\n\
                  \"4\": {\"node_ip\": \"10.0.0.1\", \"zone\": \"b\"}\n}";
    let draft = servers::read(source, 80, false);
    let text = told(source, draft.problems);
    for expected in [
        "f.json:2:6: server 1 has no node_ip",
        "f.json:3:18: node_ip of server 2 is no IP or IP:PORT",
        "f.json:4:6: server 3 is no object with node_name and node_ip",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let notes = told(source, draft.notes);
    assert!(notes.contains("f.json:5:38: zone of server 4"), "{notes}");
}

#[test]
fn services_of_an_object_or_a_list_are_started() {
    for source in [
        r#"{"services": {"Web App": {"command": "serve --port {port}", "port": "7000",
            "instances": 3, "env": {"MODE": "x \"y\"", "N": 4}}}, "kafka": "h:9092"}"#,
        r#"{"services": [{"service_name": "web_app", "cmd": ["serve", "--port", "{port}"],
            "port": 7000, "replicas": 3, "environment": {"MODE": "x \"y\"", "N": "4"}}],
            "kafka": "h:9092"}"#,
    ] {
        let draft = services::read(source, true);
        assert!(
            draft.problems.is_empty(),
            "{}",
            told(source, draft.problems)
        );
        assert!(told(source, draft.notes).contains("kafka"));
        let text = head(&["http://127.0.0.1:9090".to_owned()]) + &draft.sections;
        let spec = check(&text).expect("is right");
        let web = &spec.services[0];
        assert_eq!((web.name.as_str(), web.bounds.max), ("web-app", 3));
        assert!(web.pool.is_some());
        let Template::Process {
            command,
            environment,
            ports: Some(ports),
            ..
        } = &web.template
        else {
            panic!("is started: {text}")
        };
        assert_eq!(command.join(" "), "serve --port {port}");
        assert_eq!(environment["MODE"], "x \"y\"");
        assert_eq!(environment["N"], "4");
        assert_eq!((ports.first, ports.last), (7000, 7003));
    }
}

#[test]
fn mistakes_among_services_are_told_with_their_places() {
    let source = "{\"services\": {\n\"a\": {\"port\": 1},\n\"b\": {\"command\": \"x {port}\"},\n\
        \"c\": {\"command\": \"sh -c 'x y'\"},\n\"d\": {\"command\": \"x\", \"count\": 0},\n\
        \"!\": {\"command\": \"x\"}\n}}";
    let draft = services::read(source, false);
    let text = told(source, draft.problems);
    for expected in [
        "f.json:2:6: service a has no command",
        "f.json:3:6: the command of b has {port}, and port is not given",
        "f.json:4:18: the command of c is a list of strings, or words without quotes",
        "f.json:5:32: instances is a whole number from 1 to 1000",
        "f.json:6:6: \"!\" is no name of a service",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let draft = services::read("[]", false);
    assert!(told("[]", draft.problems).contains("f.json:1:1: no services"));
}
