use super::*;
use crate::cli::Invocation;
use crate::cli::tests::{complaint, page, read_line};
use lb::config::Question;
use std::time::Duration;

fn watching(line: &str) -> Watching {
    match read_line(line) {
        Ok(Invocation::Watch(watching)) => *watching,
        other => panic!("{line}: {other:?}"),
    }
}

fn names(watching: &Watching) -> Vec<&str> {
    let targets = watching.config.targets().iter();
    targets.map(Target::name).collect()
}

#[test]
fn targets_are_all_that_is_needed() {
    for line in ["lb ping ::1 a.example", "lb monitor 80 unix:/a"] {
        let watching = watching(line);
        assert_eq!(watching.config.plan(), &Plan::default(), "{line}");
        assert_eq!(watching.config.addresses, AddressKind::Any);
        assert!(!watching.quiet);
    }
    assert_eq!(names(&watching("lb ping [::1] A")), ["::1", "a"]);
    assert_eq!(names(&watching("lb monitor 80")), ["127.0.0.1:80"]);
}

#[test]
fn every_flag_reaches_its_setting() {
    for command in ["ping -6 a", "monitor a:1 --ipv6"] {
        let watching = watching(&format!(
            "lb {command} --interval 10ms --timeout 2s --count 3 --rise 4 --fall 5 --quiet"
        ));
        let expected = Plan {
            interval: Duration::from_millis(10),
            timeout: Duration::from_secs(2),
            rise: 4,
            fall: 5,
            count: Some(3),
        };
        assert_eq!(watching.config.plan(), &expected);
        assert_eq!(watching.config.addresses, AddressKind::V6);
        assert!(watching.quiet);
    }
    let pages =
        watching("lb monitor a:1 http://b/x --http /p --expect-status 204 --expect-body ok -4");
    assert_eq!(pages.config.addresses, AddressKind::V4);
    let asked = pages.config.targets().iter().map(|target| {
        let Question::Http(_, check) = target.question() else {
            panic!("{target:?}");
        };
        assert_eq!(check.expect_status, 204);
        assert_eq!(check.expect_body.as_deref(), Some("ok"));
        check.path.as_str()
    });
    assert_eq!(asked.collect::<Vec<_>>(), ["/p", "/x"]);
}

#[test]
fn every_mistake_is_one_line_with_a_remedy() {
    for (line, message) in [
        (
            "lb ping",
            "no target given; name at least one, as in lb ping 10.0.0.1",
        ),
        (
            "lb monitor",
            "no target given; name at least one, as in lb monitor 10.0.0.1:80",
        ),
        (
            "lb ping a:80",
            "'a:80': neither a host name nor an IP address; \
             write it as in example.com, 127.0.0.1 or ::1",
        ),
        (
            "lb monitor a",
            "'a': the port is missing; write HOST:PORT, as in 127.0.0.1:5000",
        ),
        (
            "lb monitor 80 --expect-status 204",
            "--expect-status: no page is asked for; add --http PATH, or give a URL",
        ),
        (
            "lb ping a -4 -6",
            "--ipv4: does not go with --ipv6; give one of the two",
        ),
        (
            "lb ping a --count 0",
            "--count '0': nothing would be done; give at least 1",
        ),
        (
            "lb --backends 1 ping",
            "ping: does not go with --backends; give one of the two",
        ),
    ] {
        assert_eq!(complaint(line), message, "{line}");
    }
}

#[test]
fn every_example_of_the_help_is_understood_and_fits_the_screen() {
    for command in ["ping", "monitor"] {
        let page = page(&format!("lb {command} --help"));
        let examples = page.lines().filter_map(|line| line.strip_prefix("    lb "));
        let examples: Vec<&str> = examples.collect();
        assert_eq!(examples.len(), 2);
        for example in examples {
            watching(&format!("lb {example}"));
        }
        assert!(page.lines().all(|line| line.chars().count() <= 100));
    }
}
