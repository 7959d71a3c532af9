//! The pages: complete, short enough, and right about every default.

use super::super::Invocation;
use super::super::flags::Flags;
use super::{ordered, page, read_line};
use clap::CommandFactory as _;

#[test]
fn strategies_can_be_listed() {
    for line in ["lb --strategy list", "lb simulate --strategy p2c,LIST"] {
        let page = match read_line(line) {
            Ok(Invocation::List(page)) => page,
            other => panic!("{line}: {other:?}"),
        };
        for entry in lb::internal::strategy::ENTRIES {
            let first = format!("{:<22} {}\n", entry.usage(), entry.help);
            let at = page.find(&first).expect(entry.name);
            let second = page[at..].lines().nth(1).unwrap();
            assert!(second.contains(entry.cost), "{second}");
        }
        assert!(page.lines().all(|line| line.chars().count() <= 100));
    }
}

/// Every flag that has a default, and the default as the user would write it.
const DEFAULTS: &[(&str, &str)] = &[
    ("strategy", "least-rt"),
    ("discover", "first-address"),
    ("nameservers", "those of /etc/resolv.conf"),
    ("dns-hold", "forever"),
    ("hash-bound", "125"),
    ("listen", "127.0.0.1:8080"),
    ("mode", "http"),
    ("workers", "1"),
    ("connect-timeout", "3s"),
    ("x-forwarded-for", "append"),
    ("x-forwarded", "on"),
    ("forwarded", "off"),
    ("via", "off"),
    ("date", "on"),
    ("loop-detection", "on"),
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
    (
        "max-connections",
        "8000, or as many as the limit of file descriptors allows",
    ),
    ("listen-mode", "by the umask"),
    ("tls-key", "in the same file"),
    ("tls-min-version", "1.2"),
    ("tls-strict-sni", "off"),
    ("tls-handshake-timeout", "10s"),
    ("abort-on-close", "on"),
    ("sticky-secure", "auto"),
    ("sticky-same-site", "lax"),
    ("sticky-max-age", "until the browser is closed"),
    ("max-idle-per-backend", "1024"),
    ("max-retries", "2"),
    ("max-head-bytes", "16384"),
    ("max-head-fields", "100"),
    ("max-target-bytes", "8192"),
    ("min-body-rate", "none, or 1024 where backends are limited"),
    ("held-body-bytes", "65536"),
    ("max-memory", "half of what the process may use"),
    ("queue-timeout", "10s"),
    ("queue-limit", "1024"),
    ("backend-max-connections", "any number"),
    ("access-log", "off"),
    ("access-log-to", "stdout"),
    ("access-log-fields", "all"),
    ("access-log-sample", "1"),
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

/// Returns the text about a flag in `page`, from its name to the next flag, wherever the lines are
/// broken.
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
fn only_optional_flags_lack_a_default() {
    let command = Flags::command();
    let without: Vec<&str> = command
        .get_arguments()
        .filter_map(|arg| arg.get_long())
        .filter(|long| DEFAULTS.iter().all(|(flag, _)| flag != long))
        .collect();
    assert_eq!(
        without,
        [
            "config",
            "backends",
            "backends-file",
            "srv",
            "sticky",
            "sticky-secret",
            "tls-cert",
            "heartbeat-listen",
            "heartbeat-key",
            "send-proxy",
            "trusted-proxies",
            "host",
            "client-timeout",
            "admin",
            "admin-token-file",
            "state",
            "pid-file",
            "quiet"
        ]
    );
}

#[test]
fn help_can_be_learned_from_and_fits_the_screen() {
    let long = page("lb --help");
    for entry in lb::internal::strategy::ENTRIES {
        assert!(long.contains(entry.help), "{}", entry.name);
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
    // The file of that example is not there.
    let examples = examples.filter(|example| !example.starts_with("--config"));
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
