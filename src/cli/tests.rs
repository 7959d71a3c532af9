use super::*;
use clap::CommandFactory as _;
use lb::config::{
    AccessLogFormat, ForwardOptions, ForwardedFor, Limits, LoadBound, Mode, ProxyVersion,
    StrategyKind, Timeouts,
};
use std::time::Duration;

/// Reads what a shell would make of `line`, which has no quotes.
fn read_line(line: &str) -> Result<Invocation, Invalid> {
    read(line.split_whitespace().map(OsString::from))
}

fn ordered(line: &str) -> Order {
    match read_line(line) {
        Ok(Invocation::Balance(order)) => *order,
        other => panic!("{line}: {other:?}"),
    }
}

fn complaint(line: &str) -> String {
    read_line(line).unwrap_err().to_string()
}

fn page(line: &str) -> String {
    match read_line(line) {
        Ok(Invocation::Show(page)) => page.to_string(),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn backends_are_all_that_is_needed() {
    let order = ordered("lb --backends 127.0.0.1:5000,127.0.0.1:5001");
    let config = Config::new([
        "127.0.0.1:5000".parse().unwrap(),
        "127.0.0.1:5001".parse().unwrap(),
    ]);
    // Every field of a Config shows in its Debug form.
    assert_eq!(
        format!("{:?}", order.config),
        format!("{:?}", config.unwrap())
    );
    assert!(!order.quiet);
}

#[test]
fn every_flag_reaches_its_setting() {
    let order = ordered(
        "lb --backends 1=2 --backends [::1]:2,c:3 --strategy RoundRobin --mode tcp \
         --listen 80,*:81 --listen proxy+[::1]:82 --access-log json --quiet \
         --connect-timeout 1ms --keep-alive-timeout 2s --server-timeout 3m --shutdown-timeout 4h \
         --head-timeout 7s --body-timeout 8s --write-timeout 9s --first-byte-timeout 10s \
         --pool-idle-timeout 5s --max-connections 6 --max-head-bytes 700 --max-head-fields 8 \
         --tunnel-timeout 6m --max-target-bytes 9 --max-retries 10 --max-idle-per-backend 11 \
         --backend-max-connections 12 --queue-limit 13 --queue-timeout 11s --min-body-rate 12 \
         --x-forwarded-for leave --x-forwarded off --forwarded on --via on \
         --request-id off --host a:1 --send-proxy v2",
    );
    let config = &order.config;
    let backends: Vec<String> = config.backends().iter().map(ToString::to_string).collect();
    assert_eq!(backends, ["127.0.0.1:1=2", "[::1]:2", "c:3"]);
    let listeners: Vec<String> = config.listeners().iter().map(ToString::to_string).collect();
    assert_eq!(listeners, ["127.0.0.1:80", "0.0.0.0:81", "proxy+[::1]:82"]);
    assert_eq!(config.strategy, StrategyKind::RoundRobin);
    assert_eq!(config.mode, Mode::Tcp);
    assert_eq!(config.access_log, AccessLogFormat::Json);
    assert!(order.quiet);
    assert_eq!(
        config.forward,
        ForwardOptions {
            x_forwarded_for: ForwardedFor::Leave,
            x_forwarded_host: false,
            x_forwarded_proto: false,
            x_forwarded_port: false,
            forwarded: true,
            via: true,
        }
    );
    assert!(!config.request_id);
    assert_eq!(config.send_proxy, Some(ProxyVersion::V2));
    assert_eq!(config.host(), Some("a:1"));
    assert_eq!(
        config.timeouts(),
        &Timeouts {
            connect: Duration::from_millis(1),
            keep_alive: Duration::from_secs(2),
            head: Duration::from_secs(7),
            body: Duration::from_secs(8),
            write: Duration::from_secs(9),
            first_byte: Duration::from_secs(10),
            server: Duration::from_secs(180),
            shutdown: Duration::from_secs(14_400),
            pool_idle: Duration::from_secs(5),
            tunnel: Duration::from_secs(360),
            queue: Duration::from_secs(11),
        }
    );
    assert_eq!(
        config.limits(),
        &Limits {
            max_connections: 6,
            max_head_bytes: 700,
            max_head_fields: 8,
            max_target_bytes: 9,
            max_retries: 10,
            retry_budget_percent: 20,
            backend_max_connections: Some(12),
            queue_limit: 13,
            max_idle_per_backend: 11,
            min_body_rate: 12,
        }
    );
}

#[test]
fn heartbeats_are_listened_to_where_they_are_told() {
    let config = ordered("lb --backends 1 --heartbeat-listen *:7000").config;
    let heartbeats = config.heartbeats.as_ref().expect("they are listened to");
    assert_eq!(heartbeats.address.to_string(), "0.0.0.0:7000");
    assert_eq!(heartbeats.key, None);
    assert_eq!(ordered("lb --backends 1").config.heartbeats, None);
    for (line, message) in [
        (
            "lb --backends 1 --heartbeat-listen unix:x",
            "--heartbeat-listen 'unix:x': not an address for heartbeats; \
             write IP:PORT, as in 10.0.0.5:7000, or *:PORT for every address",
        ),
        (
            "lb --backends 1 --heartbeat-listen 1 --heartbeat-key /dev/null",
            "--heartbeat-key '/dev/null': the secret is too short; \
             name a file with at least 16 bytes nobody can guess",
        ),
    ] {
        assert_eq!(complaint(line), message);
    }
    let key = std::env::temp_dir().join(format!("lb-key-{}", std::process::id()));
    std::fs::write(&key, "sixteen bytes...\n").unwrap();
    let line = format!(
        "lb --backends 1 --heartbeat-listen 1 --heartbeat-key {}",
        key.display()
    );
    let config = ordered(&line).config;
    std::fs::remove_file(&key).unwrap();
    let expected = lb::heartbeat::Key::new(b"sixteen bytes...");
    assert_eq!(config.heartbeats.unwrap().key, expected);
}

#[test]
fn loads_are_bounded_where_a_strategy_hashes() {
    let strategy = |flags: &str| {
        ordered(&format!("lb --backends 1 --strategy {flags}"))
            .config
            .strategy
    };
    let mut expected: StrategyKind = "ip-hash".parse().unwrap();
    assert_eq!(strategy("ip-hash"), expected);
    assert!(expected.set_load_bound(LoadBound::percent(200).unwrap()));
    assert_eq!(strategy("ip-hash --hash-bound 200%"), expected);
    assert!(expected.set_load_bound(LoadBound::OFF));
    assert_eq!(strategy("ip-hash --hash-bound off"), expected);
}

#[test]
fn strategies_can_be_listed() {
    for line in ["lb --strategy list", "lb simulate --strategy p2c,LIST"] {
        let page = match read_line(line) {
            Ok(Invocation::List(page)) => page,
            other => panic!("{line}: {other:?}"),
        };
        for entry in &lb::balance::registry::ENTRIES {
            let first = format!("{:<22} {}\n", entry.usage(), entry.when);
            let at = page.find(&first).expect(entry.name);
            let second = page[at..].lines().nth(1).unwrap();
            assert!(second.contains(entry.cost), "{second}");
        }
        assert!(page.lines().all(|line| line.chars().count() <= 100));
    }
}

#[test]
fn a_group_of_timeouts_is_set_at_once_but_for_those_that_are_given() {
    let seconds = Duration::from_secs;
    let defaults = Timeouts::default();
    let timeouts = |flags: &str| {
        *ordered(&format!("lb --backends 1 {flags}"))
            .config
            .timeouts()
    };
    assert_eq!(timeouts(""), defaults);
    assert_eq!(
        timeouts("--client-timeout 5s --body-timeout 6s"),
        Timeouts {
            keep_alive: seconds(5),
            head: seconds(5),
            body: seconds(6),
            write: seconds(5),
            ..defaults
        }
    );
    assert_eq!(
        timeouts("--server-timeout 7s"),
        Timeouts {
            first_byte: seconds(7),
            server: seconds(7),
            ..defaults
        }
    );
    assert_eq!(
        timeouts("--server-timeout 7s --first-byte-timeout 8s"),
        Timeouts {
            first_byte: seconds(8),
            server: seconds(7),
            ..defaults
        }
    );
}

#[test]
fn every_mistake_is_one_line_with_a_remedy() {
    for (line, message) in [
        (
            "lb",
            "--backends: no backend given; name at least one, as in --backends 127.0.0.1:5000",
        ),
        (
            "lb --strategy fastest --backends 1",
            "--strategy 'fastest': unknown strategy; \
             use one of n-to-1, round-robin, least-conn, least-rt, random, p2c, \
             ip-hash, uri-hash, header-hash, cookie-hash, ip-maglev, uri-maglev, \
             header-maglev, cookie-maglev",
        ),
        (
            "lb --backends 1 --hash-bound 150",
            "--hash-bound: the strategy does not hash; \
             give it with a strategy such as ip-hash, or not at all",
        ),
        (
            "lb --backends 1 --strategy ip-hash --hash-bound 100",
            "--hash-bound '100': not a bound; give 101 to 10000 percent of a fair share, or off",
        ),
        (
            "lb --strategy",
            "--strategy: no value given; write --strategy NAME",
        ),
        (
            "lb --backends --quiet",
            "--backends: no value given; write --backends HOST:PORT[=WEIGHT[/MAX]],...",
        ),
        (
            "lb --backends=",
            "--backends '': empty; write HOST:PORT, as in 127.0.0.1:5000",
        ),
        (
            "lb --backends 1,,2",
            "--backends '': empty; write HOST:PORT, as in 127.0.0.1:5000",
        ),
        (
            "lb --backends 1,a:2=0",
            "--backends 'a:2=0': not a weight; \
             give a whole number from 1 to 256, or leave =WEIGHT out for 1",
        ),
        (
            "lb --backends 1,1",
            "--backends '127.0.0.1:1': this backend is given twice; \
             name it once, with =WEIGHT for a larger share",
        ),
        (
            "lb --backends 1 2",
            "'2': belongs to no flag; \
             separate the values of a flag by commas without spaces; see lb --help",
        ),
        (
            "lb --strat x",
            "--strat: unknown flag; did you mean --strategy?",
        ),
        (
            "lb --frob",
            "--frob: unknown flag; lb --help shows the flags",
        ),
        ("lb -x", "-x: unknown flag; lb --help shows the flags"),
        (
            "lb --backends 1 --quiet=yes",
            "--quiet: takes no value; write --quiet alone",
        ),
        (
            "lb --mode tcp --mode http",
            "--mode: given more than once; give it once",
        ),
        ("lb --mode", "--mode: no value given; write --mode http|tcp"),
        (
            "lb --mode udp",
            "--mode 'udp': unknown mode; use one of http, tcp",
        ),
        (
            "lb --workers 0",
            "--workers '0': not a number of workers; \
             give 1 to 256, or auto for one on each core",
        ),
        (
            "lb --workers 257",
            "--workers '257': not a number of workers; \
             give 1 to 256, or auto for one on each core",
        ),
        (
            "lb --access-log xml",
            "--access-log 'xml': unknown format; use one of off, text, json",
        ),
        (
            "lb --listen :80",
            "--listen ':80': no address before the colon; \
             write the port alone for this machine, *:PORT for every address",
        ),
        (
            "lb --backends 1 --listen 80,localhost:80",
            "--listen '127.0.0.1:80': this address is given twice; name it once",
        ),
        (
            "lb --backends 1 --max-retries -1",
            "--max-retries '-1': not a usable number; write it in digits, as in 100",
        ),
        (
            "lb --backends 1 --max-retries 17",
            "--max-retries '17': out of range; give 0 to 16",
        ),
        (
            "lb --backends 1 --head-timeout 0ms",
            "--head-timeout '0ms': zero would give up before it began; \
             give a longer time, as in 500ms or 3s",
        ),
        (
            "lb --connect-timeout 3",
            "--connect-timeout '3': the unit is missing; \
             write a whole number and ms, s, m or h, as in 500ms or 3s",
        ),
    ] {
        assert_eq!(complaint(line), message, "{line}");
    }
}

#[test]
fn arguments_cannot_break_the_line() {
    for arg in ["--a\nb", "a\nb", "--mode=a\nb"] {
        let args = ["lb", arg].map(OsString::from);
        let complaint = read(args).unwrap_err().to_string();
        assert!(complaint.contains("a\\nb"), "{complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
    }
}

#[cfg(unix)]
#[test]
fn a_flag_that_another_one_needs_is_named() {
    for (given, needed) in [
        ("--heartbeat-key key", "--heartbeat-listen <IP:PORT>"),
        ("--sticky-secret key", "--sticky <COOKIE>"),
    ] {
        let flag = needed.split(' ').next().unwrap();
        assert_eq!(
            complaint(&format!("lb --backends 5000 {given}")),
            format!(
                "{flag}: missing, and another flag needs it; write {needed} too, or leave the other out"
            )
        );
    }
}

#[test]
fn arguments_that_are_not_utf8_are_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let broken = OsString::from_vec(vec![0xff]);
    let args = ["lb".into(), "--mode".into(), broken];
    assert_eq!(
        read(args).unwrap_err().to_string(),
        "an argument is not UTF-8; write it in UTF-8"
    );
}

/// Every flag that has a default, and the default as the user would write it.
const DEFAULTS: &[(&str, &str)] = &[
    ("strategy", "least-rt"),
    ("hash-bound", "125"),
    ("listen", "127.0.0.1:8080"),
    ("mode", "http"),
    ("workers", "1"),
    ("connect-timeout", "3s"),
    ("x-forwarded-for", "append"),
    ("x-forwarded", "on"),
    ("forwarded", "off"),
    ("via", "off"),
    ("request-id", "on"),
    ("keep-alive-timeout", "1m"),
    ("head-timeout", "10s"),
    ("body-timeout", "30s"),
    ("write-timeout", "30s"),
    ("first-byte-timeout", "1m"),
    ("server-timeout", "1m"),
    ("tunnel-timeout", "1h"),
    ("shutdown-timeout", "30s"),
    ("pool-idle-timeout", "30s"),
    ("max-connections", "8000"),
    ("max-idle-per-backend", "1024"),
    ("max-retries", "2"),
    ("max-head-bytes", "16384"),
    ("max-head-fields", "100"),
    ("max-target-bytes", "8192"),
    ("min-body-rate", "0"),
    ("queue-timeout", "10s"),
    ("queue-limit", "1024"),
    ("backend-max-connections", "any number"),
    ("access-log", "off"),
    ("health", "tcp"),
    ("health-path", "/ping"),
    ("health-expect-status", "200"),
    ("health-expect-body", "any body will do"),
    ("health-interval", "2s"),
    ("health-timeout", "1s"),
    ("health-rise", "2"),
    ("health-fall", "3"),
    ("passive", "on"),
    ("max-ejected", "50"),
    ("slow-outlier", "20"),
    ("slow-start", "10s"),
    ("retry-budget", "20"),
];

/// What `page` says of a flag, from its name to the next flag, wherever the lines are broken.
fn section(page: &str, flag: &str) -> String {
    let start = page.find(&format!("\n      --{flag} ")).expect(flag) + 1;
    let rest = &page[start..];
    let section = &rest[..rest.find("\n      --").unwrap_or(rest.len())];
    section.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn help_tells_the_default_of_every_flag() {
    for page in [page("lb --help"), page("lb -h")] {
        for (flag, default) in DEFAULTS {
            let said = format!("[default: {default}]");
            assert!(section(&page, flag).contains(&said), "--{flag}: {said}");
        }
        assert_eq!(page.matches("[default:").count(), DEFAULTS.len());
    }
}

#[test]
fn only_what_can_be_left_out_has_no_default() {
    let command = Flags::command();
    let without: Vec<&str> = command
        .get_arguments()
        .filter_map(|arg| arg.get_long())
        .filter(|long| DEFAULTS.iter().all(|(flag, _)| flag != long))
        .collect();
    assert_eq!(
        without,
        [
            "backends",
            "sticky",
            "sticky-secret",
            "heartbeat-listen",
            "heartbeat-key",
            "send-proxy",
            "host",
            "client-timeout",
            "quiet"
        ]
    );
}

#[test]
fn help_can_be_learned_from_and_fits_the_screen() {
    let long = page("lb --help");
    for entry in &lb::balance::registry::ENTRIES {
        assert!(long.contains(entry.when), "{}", entry.name);
        for alias in entry.aliases {
            assert!(long.contains(alias), "{alias}");
        }
    }
    for title in [
        "Backends:",
        "Traffic:",
        "Limits:",
        "Output:",
        "Examples:",
        "Signals:",
        "Exit codes:",
    ] {
        assert!(long.lines().any(|line| line == title), "{title}");
    }
    assert!(long.lines().all(|line| line.chars().count() <= 100));
    let short = page("lb -h");
    assert!(short.lines().count() < long.lines().count() / 2);
}

#[test]
fn every_example_of_the_help_is_understood() {
    let long = page("lb --help");
    let short = page("lb -h");
    let examples = long.lines().filter_map(|line| line.strip_prefix("    lb "));
    let starts = short
        .lines()
        .filter_map(|line| line.strip_prefix("Example: lb "));
    let all: Vec<&str> = examples.chain(starts).collect();
    assert_eq!(all.len(), 5);
    for example in all {
        ordered(&format!("lb {}", example.replace('\'', "")));
    }
}

#[test]
fn version_is_the_package_version() {
    let version = concat!("lb ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(page("lb --version"), version);
    assert_eq!(page("lb -V"), version);
}

#[test]
fn flags_are_consistent() {
    Flags::command().debug_assert();
}
