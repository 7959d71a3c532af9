//! Files that are right, and files that are wrong in every way.

use super::*;
use crate::config::{DEFAULT_LISTENER, Mode, PoolId, setting};

fn loaded(text: &str) -> Loaded {
    parse("lb.toml", text, &Given::default()).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn errors(text: &str, flags: &Given) -> String {
    let errors = parse("lb.toml", text, flags).unwrap_err();
    errors.iter().map(|error| format!("{error}\n")).collect()
}

fn flags(given: &[(&str, &str)]) -> Given {
    let mut flags = Given::default();
    for (name, value) in given {
        flags.add(setting(name).unwrap(), *value);
    }
    flags
}

const TWO: &str = r#"
workers = 2
access-log = "json"

[[listener]]
listen = ["127.0.0.1:80", 81]
pool = "web"
via = true

[[listener]]
listen = "unix:/run/db.sock"
pool = "db"
mode = "tcp"

[pool.db]
strategy = "n-to-1"
backends = ["10.0.0.3:5432"]
connect-timeout = "1s"

[pool.web]
max-retries = 0
health = "http"

[[pool.web.backend]]
address = "10.0.0.1:80"
weight = 3

[[pool.web.backend]]
address = "10.0.0.2:80"
max-connections = 16
"#;

#[test]
fn each_section_has_its_settings() {
    let config = loaded(TWO).config;
    assert_eq!(config.workers.get(), 2);
    let [db, web] = config.pools() else {
        panic!("two pools");
    };
    let [http, tcp] = config.listeners() else {
        panic!("two listeners");
    };
    assert_eq!((db.name(), web.name()), ("db", "web"));
    assert_eq!((http.pool, tcp.pool), (PoolId::new(1), PoolId::FIRST));
    assert_eq!((http.mode, tcp.mode), (Mode::Http, Mode::Tcp));
    assert_eq!(http.addresses().len(), 2);
    assert!(http.forward.via && !tcp.forward.via);
    let shown: Vec<String> = web.backends().iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["10.0.0.1:80=3", "10.0.0.2:80=1/16"]);
    assert_eq!((db.limits().max_retries, web.limits().max_retries), (2, 0));
    assert_eq!(db.timeouts().connect.as_secs(), 1);
    assert_eq!(web.timeouts().connect.as_secs(), 3);
    assert_eq!(db.strategy.name(), "n-to-1");
}

#[test]
fn a_pool_is_all_that_is_needed() {
    let config = loaded("[pool.web]\nbackends = \"5000\"\n").config;
    let [listener] = config.listeners() else {
        panic!("one listener");
    };
    assert_eq!(listener.addresses(), [DEFAULT_LISTENER.into()]);
    assert_eq!(config.pools().len(), 1);
}

/// Every wrong file with all of its messages. In `wrong.txt` a file is followed by its errors.
#[test]
fn every_mistake_is_told_with_its_place_and_remedy() {
    let cases = include_str!("wrong.txt").split("--- file\n").skip(1);
    let mut count = 0;
    for case in cases {
        let (text, expected) = case.split_once("--- errors\n").expect("errors");
        assert_eq!(
            errors(text, &Given::default()),
            expected,
            "of the file\n{text}"
        );
        count += 1;
    }
    assert!(count >= 200, "{count} cases");
}

#[test]
fn flags_override_the_file_and_say_so() {
    let flags = flags(&[("max-retries", "5"), ("workers", "1"), ("health-rise", "7")]);
    let loaded = parse("lb.toml", TWO, &flags).unwrap();
    let pools = loaded.config.pools().iter();
    let set: Vec<_> = pools
        .map(|pool| (pool.limits().max_retries, pool.health().rise))
        .collect();
    assert_eq!(set, [(5, 7), (5, 7)]);
    assert_eq!(loaded.config.workers.get(), 1);
    assert_eq!(
        loaded.overrides,
        [
            "--workers 1 overrides workers at lb.toml:2:11",
            "--max-retries 5 overrides pool.web.max-retries at lb.toml:21:15",
        ]
    );
}

#[test]
fn flags_that_replace_a_section_need_one() {
    let one = "[pool.web]\nbackends = [\"a:1\", \"b:1\"]\n";
    let given = flags(&[("backends", "c:1"), ("listen", "127.0.0.1:81")]);
    let config = parse("lb.toml", one, &given).unwrap().config;
    assert_eq!(config.pools()[0].backends().len(), 1);
    assert_eq!(
        config.listeners()[0].addresses()[0].to_string(),
        "127.0.0.1:81"
    );
    assert_eq!(
        errors(TWO, &given),
        "lb.toml:1:1: --listen: the file has 2 sections that it could be for; \
         change [[listener]] in the file\n\
         lb.toml:1:1: --backends: the file has 2 sections that it could be for; \
         change [pool.NAME] in the file\n"
    );
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    let text = "[[listener]]\nlisten = \"*:80\"\npool = \"a\"\n\
                [pool.a]\nbackends = \"1\"\n[pool.b]\nbackends = \"2\"\n";
    assert_eq!(
        loaded(text).warnings,
        [
            "lb.toml:6:7: pool b is used by no listener and no route; remove it, or name it in one",
            "lb.toml:2:10: 0.0.0.0:80 listens on all addresses without TLS; \
             listen on one address, or give a certificate by tls-cert",
        ]
    );
    assert!(loaded(TWO).warnings.is_empty());
}

#[test]
fn a_route_that_never_gets_a_request_is_warned_of() {
    let text = r#"
[[route]]
path = "/a"
pool = "web"
[[route]]
path = ["/a", "/b"]
pool = "web"
[[route]]
path = "/a"
method = "POST"
pool = "web"
[pool.web]
backends = "1"
"#;
    assert_eq!(
        loaded(text).warnings,
        [
            "lb.toml:8:1: the route never gets a request, as an earlier one has the same host and \
          path; remove it, or move it up"
        ]
    );
}

#[test]
fn routes_are_in_effect_as_they_are_written() {
    let text = r#"[[listener]]
name = "public"
pool = "web"
[[route]]
listener = "public"
host = ["a.example", "*.b"]
header = { X-Canary = "1" }
split = { web = 95, canary = 5 } # a comment
[[route]]
path = "/old"
redirect = "https://{host}/new"
status = 301
[pool.web]
backends = "1"
[pool.canary]
backends = "2"
"#;
    let first = loaded(text);
    assert!(first.warnings.is_empty(), "{:?}", first.warnings);
    let again = loaded(&first.effective());
    assert_eq!(format!("{:?}", again.config), format!("{:?}", first.config));
}

#[test]
fn the_default_file_is_sound_and_so_is_each_default_in_it() {
    let text = default_file();
    let config = loaded(&text).config;
    assert_eq!(config.pools()[0].backends().len(), 2);
    for setting in crate::config::settings() {
        assert!(
            text.contains(&format!("{} = ", setting.name)),
            "{}",
            setting.name
        );
        assert!(
            !text.contains(&format!("--{} ", setting.name)),
            "{}",
            setting.name
        );
    }
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
    // With the comments of all settings that have a default taken away it says the same.
    let has_default = |line: &str| {
        let name = line.strip_prefix("# ")?.split_once(" = ")?.0;
        setting(name)?
            .default()
            .filter(|_| !name.starts_with("sticky-") && !name.starts_with("tls-"))
    };
    let bare = text.lines().map(|line| match has_default(line) {
        Some(_) => format!("{}\n", line.trim_start_matches("# ")),
        None => format!("{line}\n"),
    });
    let bare = loaded(&bare.collect::<String>()).config;
    assert_eq!(format!("{bare:?}"), format!("{config:?}"));
}

#[test]
fn what_is_in_effect_can_be_read_again() {
    let first = loaded(TWO);
    let text = first.effective();
    let again = loaded(&text);
    assert_eq!(format!("{:?}", again.config), format!("{:?}", first.config));
    assert_eq!(again.effective(), text);
    assert!(text.contains("\n[pool.web]\nbackends = [\"10.0.0.1:80=3\", \"10.0.0.2:80=1/16\"]\n"));
}

#[test]
fn the_schema_in_docs_is_that_of_the_table() {
    let committed = include_str!("../../../../docs/lb.schema.json");
    assert_eq!(
        committed,
        schema(),
        "write lb config --schema to docs/lb.schema.json"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let missing = load(Path::new("/nowhere/lb.toml"), &Given::default()).unwrap_err();
    assert_eq!(
        missing[0].to_string(),
        "'/nowhere/lb.toml': cannot be read: No such file or directory (os error 2); \
         name a file that lb may read"
    );
}

#[test]
fn every_example_is_sound_and_nothing_in_it_is_warned_of() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/config");
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let loaded = load(&path, &Given::default());
        let loaded = loaded.unwrap_or_else(|errors| panic!("{}: {errors:?}", path.display()));
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        let again = parse("lb.toml", &loaded.effective(), &Given::default()).unwrap();
        assert_eq!(
            format!("{:?}", again.config),
            format!("{:?}", loaded.config)
        );
        count += 1;
    }
    assert!(count >= 8, "{count} examples");
}
