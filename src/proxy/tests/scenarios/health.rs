//! Backends that go and come back, as traffic and checks find out.

use super::super::super::AdminCommand;
use super::*;
use crate::config::{CheckKind, Mode};
use crate::pool::StateChange;
use std::time::Duration;

pub(super) const ERROR: &str = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n";
const PONG: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\npong";

pub(super) fn checked(backends: usize, check: CheckKind) -> Stage {
    let mut setup = Setup::new(Mode::Http, backends);
    setup.health.check = Some(check);
    setup.raise()
}

/// Passes time in small steps, as a loop would. After each, every open check is `answered`.
pub(super) fn live(
    stage: &mut Stage,
    time: Duration,
    answered: impl Fn(usize) -> Option<&'static str>,
) {
    const STEP: Duration = Duration::from_millis(20);
    for _ in 0..time.as_millis() / STEP.as_millis() {
        stage.pass(STEP);
        for (wire, number) in stage.backend_conns() {
            let is_check = {
                let world = stage.world.borrow();
                let asked = world.wire(wire);
                !asked.is_closed() && asked.taken.starts_with(b"GET /ping ")
            };
            if let Some(answer) = answered(number).filter(|_| is_check) {
                stage.heard(wire);
                stage.send(wire, answer);
            }
        }
    }
}

pub(super) fn state(stage: &Stage, number: usize) -> &'static str {
    stage.snapshot().backends[number].state
}

pub(super) fn told(stage: &mut Stage) -> Vec<String> {
    let changes = stage.proxy.take_changes();
    changes.iter().map(StateChange::to_string).collect()
}

#[test]
fn five_errors_in_a_row_eject_and_close_the_idle_links() {
    let mut stage = Stage::http(2);
    let mut from_second = 0;
    for _ in 0..12 {
        let client = stage.ask(GET);
        let open = stage.backend_conns();
        let asked = open.iter().find(|(wire, _)| !stage.heard(*wire).is_empty());
        let (wire, number) = *asked.expect("somebody is asked");
        from_second += number;
        stage.send(wire, if number == 1 { ERROR } else { OK });
        stage.end(client);
    }
    assert_eq!(from_second, 5);
    assert_eq!(state(&stage, 1), "ejected");
    for (wire, number) in stage.backend_conns() {
        assert_eq!(stage.is_closed(wire), number == 1);
    }
    let why = told(&mut stage).concat();
    assert!(
        why.contains("initial -> ejected: exchanges failed (5 in 0.0 s)"),
        "{why}"
    );
}

#[test]
fn tcp_checks_eject_a_refusing_backend_until_it_accepts() {
    let mut stage = checked(2, CheckKind::TCP);
    stage.dial(1, Dial::Refused);
    live(&mut stage, Duration::from_secs(4), |_| None);
    assert_eq!((state(&stage, 0), state(&stage, 1)), ("initial", "ejected"));
    let why = told(&mut stage).concat();
    assert!(
        why.contains("health check failed: unreachable (3 in a row)"),
        "{why}"
    );
    stage.dial(1, Dial::AtOnce);
    live(&mut stage, Duration::from_millis(1_200), |_| None);
    assert_eq!(state(&stage, 1), "probation");
    for (wire, _) in stage.backend_conns() {
        assert!(stage.is_closed(wire), "a check closes its connection");
    }
}

#[test]
fn checks_by_page_see_a_backend_that_is_not_well() {
    let mut stage = checked(3, CheckKind::HTTP);
    let sick = |number| Some(if number == 2 { ERROR } else { PONG });
    live(&mut stage, Duration::from_secs(4), sick);
    assert_eq!(state(&stage, 2), "ejected");
    let why = told(&mut stage).concat();
    assert!(
        why.contains("health check failed: status 500 (3 in a row)"),
        "{why}"
    );
    live(&mut stage, Duration::from_millis(1_200), |_| Some(PONG));
    assert_eq!(state(&stage, 2), "probation");
}

#[test]
fn request_at_a_hanging_backend_is_redispatched() {
    let mut stage = checked(2, CheckKind::HTTP);
    let client = stage.ask(GET);
    let silent = stage.backend_conns()[0].1;
    let well = move |number| (number != silent).then_some(PONG);
    live(&mut stage, Duration::from_secs(3), well);
    assert_eq!(state(&stage, silent), "ejected");
    let why = told(&mut stage).concat();
    assert!(why.contains("it does not respond (oldest waits "), "{why}");
    let open = stage.backend_conns().into_iter();
    let mut others = open.filter(|(wire, number)| *number != silent && !stage.is_closed(*wire));
    let (other, _) = others.next().expect("another is asked");
    assert_eq!(stage.heard(other), GET);
    stage.send(other, OK);
    assert_eq!(stage.heard(client), OK);
}

#[test]
fn a_post_that_is_caught_waits_on() {
    let mut stage = checked(2, CheckKind::HTTP);
    let client = stage.ask(POST);
    let (link, silent) = stage.backend_conns()[0];
    let well = move |number| (number != silent).then_some(PONG);
    live(&mut stage, Duration::from_secs(3), well);
    assert_eq!(state(&stage, silent), "ejected");
    assert_eq!(stage.heard(link), POST);
    stage.send(link, OK);
    assert_eq!(stage.heard(client), OK);
}

#[test]
fn a_slow_page_of_a_backend_that_is_well_is_waited_for() {
    let mut stage = checked(2, CheckKind::HTTP);
    let client = stage.ask(GET);
    let link = stage.link();
    live(&mut stage, Duration::from_secs(20), |_| Some(PONG));
    assert_eq!(told(&mut stage), [""; 0]);
    stage.send(link, OK);
    assert_eq!(stage.heard(client), OK);
}

#[test]
fn drained_backend_finishes_and_is_reported() {
    let (mut stage, client, idle) = warmed_up(Stage::http(2));
    let name = "10.0.0.1:5000";
    stage.send(client, GET);
    let busy = stage.link();
    assert_ne!(busy, idle, "it is the other's turn");
    let now = stage.now;
    assert!(
        stage
            .proxy
            .backends()
            .execute(&name.into(), AdminCommand::Drain, now)
            .is_some()
    );
    assert!(
        stage
            .proxy
            .backends()
            .execute(&"nobody:1".into(), AdminCommand::Drain, now)
            .is_none()
    );
    stage.run();
    assert!(stage.is_closed(idle));
    assert_eq!(state(&stage, 0), "disabled");
    stage.send(busy, OK);
    assert!(
        stage
            .proxy
            .backends()
            .execute(&name.into(), AdminCommand::Enable, now)
            .is_some()
    );
    assert_eq!(state(&stage, 0), "probation");
    let told = told(&mut stage);
    let emptied = "10.0.0.1:5000 draining -> disabled: nothing in flight any more";
    assert!(told.iter().any(|line| line == emptied), "{told:?}");
}

#[test]
fn checks_end_when_the_server_stops() {
    let mut stage = checked(2, CheckKind::HTTP);
    live(&mut stage, Duration::from_secs(3), |_| None);
    assert!(!stage.backend_conns().is_empty());
    stage.stop();
    for (wire, _) in stage.backend_conns() {
        assert!(stage.is_closed(wire));
    }
    assert!(stage.proxy.is_idle());
    let known = stage.backend_conns().len();
    live(&mut stage, Duration::from_secs(9), |_| None);
    assert_eq!(
        stage.backend_conns().len(),
        known,
        "nobody is checked any more"
    );
}
