//! Backends that say that they are well, and what becomes of them when they do not.

use super::super::network::SimStream;
use super::super::stage::backend;
use super::*;
use crate::config::{CheckKind, Mode};
use crate::heartbeat::{
    Heartbeat, HeartbeatKey, HeartbeatRefusal, Load, ProcessState, SenderName, framed,
};
use crate::pool::StateChange;
use crate::time::Timestamp;
use std::net::SocketAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// Wall time at which the clock of the proxy shows zero.
const EPOCH: Duration = Duration::from_secs(1_700_000_000);
const MAX_FEEDS: usize = 3;

fn key() -> HeartbeatKey {
    HeartbeatKey::new(b"a key of some bytes").unwrap()
}

/// A stage that listens to heartbeats.
fn listening(mut stage: Stage, key: Option<HeartbeatKey>) -> Stage {
    let now = stage.now;
    stage.proxy.receive_heartbeats(key, MAX_FEEDS, now);
    stage.proxy.set_wall_clock(wall(now), now);
    stage
}

fn wall(now: Timestamp) -> Duration {
    EPOCH + now.since(Timestamp::ZERO)
}

/// A heartbeat of the backend with this number, sent now.
fn beat(stage: &Stage, number: usize) -> Heartbeat {
    Heartbeat {
        name: SenderName::new(&format!("web{number}")).unwrap(),
        address: Some(backend(number).to_string().parse().unwrap()),
        interval: SECOND,
        load: Load::new(0.5),
        process: None,
        sent_at: wall(stage.now),
    }
}

fn from() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 9_000))
}

fn send(stage: &mut Stage, datagram: &[u8]) {
    let now = stage.now;
    stage.proxy.heartbeat_datagram(datagram, from().into(), now);
    stage.run();
}

/// So many seconds pass, with a heartbeat of each of `senders` in each.
fn live(stage: &mut Stage, seconds: u64, senders: &[usize]) {
    for _ in 0..seconds {
        for number in senders {
            let datagram = beat(stage, *number).encode(None);
            send(stage, &datagram);
        }
        for _ in 0..50 {
            stage.pass(SECOND / 50);
        }
    }
}

fn state(stage: &Stage, number: usize) -> &'static str {
    stage.snapshot().backends[number].state
}

fn told(stage: &mut Stage) -> Vec<String> {
    let changes = stage.proxy.take_changes();
    changes.iter().map(StateChange::to_string).collect()
}

fn heartbeat_events(stage: &mut Stage) -> Vec<String> {
    let heartbeat_events = stage.proxy.take_heartbeat_events();
    heartbeat_events.iter().map(ToString::to_string).collect()
}

/// A sender connects.
fn heartbeat_conn(stage: &mut Stage) -> WireId {
    let id = stage.world.borrow_mut().accept();
    let stream = SimStream::new(&stage.world, id);
    let accepted = stage
        .proxy
        .heartbeat_conn_accepted(stream, from().into(), stage.now);
    accepted.expect("there is room");
    stage.run();
    id
}

#[test]
fn missing_heartbeats_eject_within_four_intervals_and_a_trial_readmits() {
    let mut stage = listening(Stage::http(3), None);
    live(&mut stage, 20, &[0, 1]);
    assert_eq!(
        heartbeat_events(&mut stage),
        [
            "10.0.0.1:5000 sends heartbeats, as web0, every 1 s",
            "10.0.0.1:5001 sends heartbeats, as web1, every 1 s",
        ]
    );
    // The last of web1 was a second ago.
    live(&mut stage, 3, &[0]);
    assert_eq!(state(&stage, 1), "ejected");
    assert_eq!(state(&stage, 0), "initial");
    assert_eq!(state(&stage, 2), "initial", "never heard, never missed");
    let why = told(&mut stage).concat();
    let expected = "10.0.0.1:5001 initial -> ejected: no heartbeat for 3.";
    assert!(why.starts_with(expected), "{why}");
    live(&mut stage, 1, &[0, 1]);
    assert_eq!(state(&stage, 1), "probation");
    for _ in 0..3 {
        let client = stage.ask(GET);
        let link = stage.link();
        stage.send(link, OK);
        stage.end(client);
    }
    assert_eq!(state(&stage, 1), "healthy");
}

#[test]
fn requests_at_a_vanished_host_are_redispatched() {
    let mut stage = listening(Stage::http(2), None);
    live(&mut stage, 5, &[0, 1]);
    let client = stage.ask(GET);
    let (silent, number) = stage.backend_conns()[0];
    live(&mut stage, 4, &[1 - number]);
    assert_eq!(state(&stage, number), "ejected");
    let other = stage.link();
    assert_ne!(other, silent);
    stage.send(other, OK);
    assert_eq!(stage.heard(client), OK);
}

#[test]
fn a_process_that_is_reported_dead_ejects_at_once() {
    let mut stage = listening(Stage::http(2), None);
    for (process, expected) in [
        (ProcessState::Alive, "initial"),
        (ProcessState::Dead, "ejected"),
        (ProcessState::Alive, "probation"),
    ] {
        let heartbeat = Heartbeat {
            process: Some(process),
            ..beat(&stage, 1)
        };
        send(&mut stage, &heartbeat.encode(None));
        assert_eq!(state(&stage, 1), expected);
        stage.pass(SECOND);
    }
    assert_eq!(
        told(&mut stage),
        [
            "10.0.0.1:5001 initial -> ejected: its process is dead, say its heartbeats",
            "10.0.0.1:5001 ejected -> probation: its process is alive, say its heartbeats",
        ]
    );
}

/// The server was held up; what came in meanwhile is read in the turn after the look is due.
#[test]
fn pause_of_lb_itself_makes_no_sender_suspect() {
    let mut stage = listening(Stage::http(2), None);
    live(&mut stage, 10, &[0, 1]);
    let waiting = [0, 1].map(|number| beat(&stage, number).encode(None));
    stage.now = stage.now + SECOND * 20;
    stage.turn(Vec::new());
    for datagram in &waiting {
        stage
            .proxy
            .heartbeat_datagram(datagram, from().into(), stage.now);
    }
    stage.run();
    live(&mut stage, 2, &[0]);
    assert_eq!((state(&stage, 0), state(&stage, 1)), ("initial", "initial"));
    live(&mut stage, 2, &[0]);
    assert_eq!(state(&stage, 1), "ejected", "it has ceased since");
}

#[test]
fn snapshot_shows_heartbeat_reports() {
    let mut stage = listening(Stage::http(2), None);
    let heartbeat = Heartbeat {
        process: Some(ProcessState::Alive),
        ..beat(&stage, 1)
    };
    send(&mut stage, &heartbeat.encode(None));
    stage.pass(SECOND / 4);
    let snapshot = stage.snapshot();
    assert_eq!(snapshot.backends[0].heartbeat, None);
    let report = snapshot.backends[1].heartbeat.as_ref().unwrap();
    assert_eq!((report.name.as_str(), report.silence), ("web1", SECOND / 4));
    assert_eq!(report.load, Load::new(0.5));
    assert_eq!(report.process, Some(ProcessState::Alive));
    assert_eq!(snapshot.heartbeats.unwrap().taken, 1);
    assert_eq!(Stage::http(2).snapshot().heartbeats, None);
}

#[test]
fn a_backend_is_called_by_its_address_or_by_a_host_of_its_own() {
    let mut stage = listening(Stage::http(2), None);
    let named = |stage: &Stage, name: &str| Heartbeat {
        name: SenderName::new(name).unwrap(),
        address: None,
        ..beat(stage, 0)
    };
    for (name, heard) in [
        ("10.0.0.1:5001", 1),
        ("10.0.0.1", 1),
        ("10.0.0.2", 1),
        ("unix", 1),
    ] {
        let heartbeat = named(&stage, name);
        send(&mut stage, &heartbeat.encode(None));
        assert_eq!(stage.snapshot().heartbeats.unwrap().taken, heard, "{name}");
    }
    assert_eq!(
        heartbeat_events(&mut stage)[1..],
        [
            "heartbeat from 10.0.0.1:9000 refused: for no backend, or for more than one: 10.0.0.1",
            "heartbeat from 10.0.0.1:9000 refused: for no backend, or for more than one: 10.0.0.2",
            "heartbeat from 10.0.0.1:9000 refused: for no backend, or for more than one: unix",
        ]
    );
    let mut alone = listening(Stage::http(1), None);
    let heartbeat = named(&alone, "10.0.0.1");
    send(&mut alone, &heartbeat.encode(None));
    assert!(alone.snapshot().backends[0].heartbeat.is_some());
}

#[test]
fn with_a_key_only_signed_heartbeats_count_and_only_once() {
    let mut stage = listening(Stage::http(2), Some(key()));
    let unsigned = beat(&stage, 1).encode(None);
    let signed = beat(&stage, 1).encode(Some(&key()));
    let other = HeartbeatKey::new(b"another key, as long").unwrap();
    let forged = beat(&stage, 1).encode(Some(&other));
    for datagram in [&unsigned, &forged] {
        send(&mut stage, datagram);
    }
    assert_eq!(stage.snapshot().backends[1].heartbeat, None);
    send(&mut stage, &signed);
    live_on_recordings(&mut stage, &signed);
    let counts = stage.snapshot().heartbeats.unwrap();
    assert_eq!((counts.taken, counts.stale), (1, 60));
    for refusal in [HeartbeatRefusal::Untagged, HeartbeatRefusal::WrongTag] {
        assert_eq!(counts.of(refusal), 1, "{refusal}");
    }
    assert_eq!(counts.of(HeartbeatRefusal::Clock), 39);
    assert_eq!(state(&stage, 1), "ejected", "recordings keep nobody alive");
}

/// A hundred seconds pass, each with the same recording.
fn live_on_recordings(stage: &mut Stage, recording: &[u8]) {
    for _ in 0..99 {
        stage.pass(SECOND);
        send(stage, recording);
    }
}

#[test]
fn garbage_is_counted_and_logged_once_a_minute() {
    let mut stage = listening(Stage::http(1), None);
    for length in 0..600 {
        send(&mut stage, &vec![b'x'; length]);
    }
    let counts = stage.snapshot().heartbeats.unwrap();
    assert_eq!(counts.of(HeartbeatRefusal::Malformed), 600);
    assert_eq!(
        heartbeat_events(&mut stage),
        ["heartbeat from 10.0.0.1:9000 refused: not a heartbeat"]
    );
}

#[test]
fn a_connection_brings_heartbeats_however_they_are_cut() {
    let mut stage = listening(Stage::http(2), Some(key()));
    let wire = heartbeat_conn(&mut stage);
    for second in 1..=5 {
        let message = framed(&beat(&stage, 1).encode(Some(&key())));
        for part in message.chunks(second) {
            stage.send(wire, part);
        }
        stage.pass(SECOND);
    }
    assert_eq!(stage.snapshot().heartbeats.unwrap().taken, 5);
    stage.end(wire);
    assert!(stage.is_closed(wire));
    stage.pass(SECOND * 3);
    assert_eq!(state(&stage, 1), "ejected", "an end is silence");
}

#[test]
fn connection_that_sends_refused_heartbeats_is_closed() {
    let good = |stage: &Stage| framed(&beat(stage, 1).encode(Some(&key())));
    let mut stage = listening(Stage::http(2), Some(key()));
    let forged = framed(&beat(&stage, 1).encode(None));
    for bad in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        &[0, 0],
        &framed(b"x"),
        &forged,
    ] {
        let wire = heartbeat_conn(&mut stage);
        let message = good(&stage);
        stage.send(wire, &message);
        assert!(!stage.is_closed(wire));
        stage.send(wire, bad);
        assert!(stage.is_closed(wire), "{bad:?}");
        stage.pass(SECOND);
    }
}

#[test]
fn connections_that_bring_nothing_are_closed_in_time() {
    let mut stage = listening(Stage::http(2), None);
    let (silent, good) = (heartbeat_conn(&mut stage), heartbeat_conn(&mut stage));
    let message = framed(&beat(&stage, 1).encode(None));
    stage.send(good, &message);
    stage.send(silent, &message[..9]);
    stage.seconds(10);
    assert!(stage.is_closed(silent) && !stage.is_closed(good));
    stage.seconds(110);
    assert!(stage.is_closed(good));
}

#[test]
fn unsigned_connections_make_room_and_signed_ones_do_not() {
    let mut stage = listening(Stage::http(2), None);
    let good = heartbeat_conn(&mut stage);
    let message = framed(&beat(&stage, 1).encode(None));
    stage.send(good, &message);
    let mut strangers = Vec::new();
    for _ in 0..10 {
        stage.pass(SECOND / 10);
        strangers.push(heartbeat_conn(&mut stage));
    }
    let open = |stage: &Stage, wires: &[WireId]| {
        let open = wires.iter().filter(|wire| !stage.is_closed(**wire));
        open.count()
    };
    assert!(!stage.is_closed(good));
    assert_eq!(open(&stage, &strangers), MAX_FEEDS - 1);
    assert_eq!(open(&stage, &strangers[8..]), 2, "the newest");
    for wire in &strangers[8..] {
        stage.pass(SECOND);
        let message = framed(&beat(&stage, 0).encode(None));
        stage.send(*wire, &message);
    }
    let late = heartbeat_conn(&mut stage);
    assert!(stage.is_closed(late));
    let counts = stage.snapshot().heartbeats.unwrap();
    assert_eq!(counts.of(HeartbeatRefusal::Connections), 1);
    stage.stop();
    for wire in [&strangers[..], &[good]].concat() {
        assert!(stage.is_closed(wire));
    }
}

#[test]
fn a_flood_on_a_connection_does_not_hold_a_turn_up() {
    let mut stage = listening(Stage::http(2), None);
    let wire = heartbeat_conn(&mut stage);
    let message = framed(&beat(&stage, 1).encode(None));
    let calls = stage.world.borrow().calls;
    stage.send(wire, message.repeat(1_000));
    let reads = stage.world.borrow().calls - calls;
    assert!(reads > message.len() * 1_000 / 4_096, "{reads} reads");
    let counts = stage.snapshot().heartbeats.unwrap();
    assert_eq!((counts.taken, counts.stale), (1, 999));
}

#[test]
fn a_suspect_is_checked_at_once() {
    let mut setup = Setup::new(Mode::Http, 1);
    setup.health.check = Some(CheckKind::TCP);
    setup.health.interval = SECOND * 100;
    let mut stage = listening(setup.raise(), None);
    live(&mut stage, 30, &[0]);
    assert_eq!(
        stage.backend_conns().len(),
        0,
        "the first check is far away"
    );
    live(&mut stage, 2, &[]);
    assert_eq!(stage.backend_conns().len(), 1);
    assert_eq!(state(&stage, 0), "initial", "suspects are not out");
}
