use super::*;
use crate::cli::Invocation;
use crate::cli::tests::{complaint, page, read_line};
use std::time::Duration;

fn sending(line: &str) -> Sending {
    match read_line(line) {
        Ok(Invocation::Send(sending)) => *sending,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_balancer_and_a_name_are_all_that_is_needed() {
    let sending = sending("lb heartbeat --to 7000 --as web1");
    let name = SenderName::new("web1").unwrap();
    let expected = SenderConfig::new(name, ["127.0.0.1:7000".parse().unwrap()]).unwrap();
    assert_eq!(sending.config, expected);
    assert_eq!(sending.config.interval(), Duration::from_secs(1));
    assert_eq!((sending.process, sending.load), (None, LoadSource::Auto));
}

#[test]
fn every_flag_reaches_its_setting() {
    let sending = sending(
        "lb heartbeat --to a:1,b:2 --to c:3 --as web1 --address unix:/run/x --interval 300ms \
         --tcp --process nginx --load 0.5 --count 3",
    );
    let config = sending.config;
    let targets: Vec<String> = config.targets().iter().map(ToString::to_string).collect();
    assert_eq!(targets, ["a:1", "b:2", "c:3"]);
    assert_eq!(config.address, Some("unix:/run/x".parse().unwrap()));
    assert_eq!(config.interval(), Duration::from_millis(300));
    assert!(config.by_tcp);
    assert_eq!(config.count, Some(3));
    let nginx = ProcessName::Program("nginx".to_owned());
    assert_eq!(sending.process, Some(nginx));
    assert_eq!(sending.load, LoadSource::Fixed(Load::new(0.5).unwrap()));
}

#[test]
fn every_mistake_is_one_line_with_a_remedy() {
    for (flags, message) in [
        (
            "--to 1",
            "--as: no name given; say what the sender calls itself, as in --as web1",
        ),
        (
            "--as a",
            "--to: no balancer given; name at least one, as in --to lb.example:7000",
        ),
        (
            "--to 1 --as é",
            "--as 'é': not a name; \
             use up to 64 letters, digits and signs without spaces, as in web1",
        ),
        (
            "--to 1 --as a --interval 1ms",
            "--interval '1ms': out of range; give 100ms to 1m",
        ),
        (
            "--to 1 --as a --load 1.5",
            "--load '1.5': not a load; give auto, or a number from 0 to 1",
        ),
        (
            "--to 1 --as a --process 0",
            "--process '0': not a process; \
             give the number of a process, or a name without /, as in nginx",
        ),
        (
            "--to 1 --as a --count 0",
            "--count '0': nothing to send; give at least 1",
        ),
        (
            "--to 1 --as a --key /dev/null",
            "--key '/dev/null': the secret is too short; \
             name a file with at least 16 bytes nobody can guess",
        ),
    ] {
        let line = format!("lb heartbeat {flags}");
        assert_eq!(complaint(&line), message, "{line}");
    }
    let expected = "heartbeat: does not go with --backends; give one of the two";
    assert_eq!(complaint("lb --backends 1 heartbeat"), expected);
}

#[test]
fn the_help_fits_the_screen() {
    let page = page("lb heartbeat --help");
    assert!(
        page.lines().all(|line| line.chars().count() <= 100),
        "{page}"
    );
    assert_eq!(page.matches("\n    lb heartbeat --to ").count(), 2);
}
