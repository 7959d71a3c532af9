use super::*;
use crate::spec::{Bounds, Check};

const GOOD: &str = r#"
[controller]
listen = "127.0.0.1:9091"
lbs = ["http://127.0.0.1:9090"]

[service.web]
command = ["pi-backend", "--port", "{port}"]
check = "/ping"
pool = "default"
servers = { min = 2, desired = 4, max = 8 }
scale = { policy = "tracking", concurrency = 1 }
"#;

fn problems(source: &str) -> String {
    match parse(source, Path::new("/etc/lb")) {
        Ok(spec) => panic!("nothing is wrong with {spec:?}"),
        Err(problems) => Report::new(Path::new("fleet.toml"), source, problems).to_string(),
    }
}

#[test]
fn the_file_of_the_demo_is_read() {
    let spec = parse(GOOD, Path::new("/etc/lb")).expect("is right");
    let [web] = spec.services.as_slice() else {
        panic!("one service")
    };
    assert_eq!(
        web.bounds,
        Bounds {
            min: 2,
            desired: 4,
            max: 8
        }
    );
    assert_eq!(web.check, Check::Http("/ping".into()));
    assert_eq!(spec.controller.database, Path::new("/etc/lb/fleet.db"));
    assert_eq!(spec.controller.lbs.len(), 1);
    assert_eq!(web.policy.word(), "tracking");
}

#[test]
fn each_mistake_is_named_with_its_place_and_what_would_be_right() {
    let service = |line: &str| {
        format!(
            "[controller]\nlbs = [\"http://h:1\"]\n[service.web]\ncommand = [\"x\", \"{{port}}\"]\n{line}\n"
        )
    };
    for (source, expected) in [
        (
            service("comand = 1"),
            "fleet.toml:5:1: unknown key comand: did you mean command?",
        ),
        (
            service("check = \"ping\""),
            ":5:9: check is \"ping\"; it is a path, tcp, announced or none",
        ),
        (
            service("servers = { min = 3, desired = 2, max = 8 }"),
            "min 3, desired 2, max 8",
        ),
        (
            service("servers = { max = 200 }"),
            "100 ports are too few for 200 servers",
        ),
        (
            service("scale = { policy = \"traking\" }"),
            "did you mean tracking?",
        ),
        (
            service("scale = { mode = \"dry\" }"),
            "it is live or advise",
        ),
        (
            service("scale = { policy = \"fixed\", threshold = 0.5 }"),
            "belongs to policy mean-load",
        ),
        (service("scale = { policy = \"schedule\" }"), "needs floors"),
        (
            service("scale = { utilisation = 1.0 }"),
            "utilisation is from 0.3 to 0.98",
        ),
        (
            service("scale = { policy = \"mean-load\", utilisation = 0.8 }"),
            "utilisation belongs to policy tracking",
        ),
        (
            service("scale = { floors = [{ from = \"8\", to = \"9:00\", min = 1 }] }"),
            "HH:MM",
        ),
        (
            service("provider = \"proces\""),
            "there is no provider \"proces\": did you mean process?",
        ),
        (service("provider = \"fixed\""), "needs addresses"),
        (
            service("provider = \"exec\"\nlaunch = [\"x\"]\nlist = []"),
            "list is empty",
        ),
        (
            service("provider = \"exec\"\nlaunch = [\"x\"]\nlist = [\"x\"]"),
            "provider exec needs stop",
        ),
        (
            "[service.a]\nprovider = \"exec\"\nlaunch = [\"x\"]\nlist = [\"x\"]\nstop = [\"x\"]\n\
             ports = \"1-2\"\ncheck = \"none\"\n"
                .into(),
            "needs a check",
        ),
        (service("ports = \"5000\""), "1 ports are too few for 1"),
        (
            service("ports = \"5000\"\nservers = { desired = 1 }"),
            "1 ports are too few for 1",
        ),
        (service("ports = \"x\""), "FIRST-LAST"),
        (
            service("start_timeout = 0"),
            "start_timeout is 0; it is seconds",
        ),
        (
            service("singleton = true\nservers = { max = 2 }"),
            "a singleton has max = 1",
        ),
        (service("weight = 0"), "weight is from 1 to 256"),
        (service("host = \"localhost\""), "host is an IP address"),
        ("[service.web]\n".into(), "needs command"),
        (
            "[service.Web]\ncommand = [\"x\"]\n".into(),
            "a-z, 0-9 and -",
        ),
        (
            "[service.web]\ncommand = [\"x\"]\npool = \"p\"\n".into(),
            "a pool needs lbs",
        ),
        (
            "[service.web]\ncommand = [\"x\"]\ncheck = \"/\"\n".into(),
            "a check needs a port",
        ),
        (
            "[controller]\nlisten = \"0.0.0.0:1\"\n".into(),
            "only with token_file",
        ),
        ("[controller]\nlisten = \"9091\"\n".into(), "it is IP:PORT"),
        (
            "[controller]\ndatabase = \"mysql:x\"\n".into(),
            "it is sqlite:FILE",
        ),
        (
            "[controller]\nlbs = [\"127.0.0.1:9090\"]\n".into(),
            "http://HOST:PORT",
        ),
        (
            "[controller]\ncompat_listen = \"127.0.0.1:1\"\n".into(),
            "needs compat_service",
        ),
        ("[controller\n".into(), "fleet.toml:1:"),
        (
            "[service.a]\ncommand = [\"{port}\"]\n[service.b]\ncommand = [\"{port}\"]\n".into(),
            "services a and b share ports",
        ),
    ] {
        let report = problems(&source);
        assert!(
            report.contains(expected),
            "{source}\n{report}\nlacks {expected:?}"
        );
    }
}

#[test]
fn a_singleton_is_replaced_at_its_only_port() {
    let source =
        "[service.lb]\ncommand = [\"lb\", \"{port}\"]\nports = \"9090\"\nsingleton = true\n";
    let spec = parse(source, Path::new(".")).expect("is right");
    assert_eq!(spec.services[0].bounds.max, 1);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let report = problems(
        "[service.a]\ncommand = [\"{port}\"]\nweight = 0\ncheck = \"x\"\nstart_timeout = -1\n",
    );
    assert_eq!(report.matches("fleet.toml:").count(), 3, "{report}");
}

#[test]
fn members_that_exist_are_as_many_as_their_addresses() {
    let source =
        "[service.old]\nprovider = \"fixed\"\naddresses = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n";
    let spec = parse(source, Path::new(".")).expect("is right");
    assert_eq!(
        spec.services[0].bounds,
        Bounds {
            min: 2,
            desired: 2,
            max: 2
        }
    );
}
