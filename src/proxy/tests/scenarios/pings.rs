//! Hosts that reply to echo requests, do not, or send something else.

use super::health::{state, told};
use super::*;
use crate::config::{CheckKind, Mode};
use std::time::Duration;

/// The fate of an echo request.
type Garbling = fn(&[u8]) -> Vec<u8>;

fn pinged(backends: usize) -> Stage {
    let mut setup = Setup::new(Mode::Http, backends);
    setup.health.check = Some(CheckKind::PING);
    setup.raise()
}

/// Passes time in small steps. Each request gets the reply of its host as soon as it is sent.
fn live(stage: &mut Stage, time: Duration, host: impl Fn(usize, &[u8]) -> Vec<Vec<u8>>) {
    const STEP: Duration = Duration::from_millis(20);
    for _ in 0..time.as_millis() / STEP.as_millis() {
        stage.pass(STEP);
        for (wire, number) in stage.backend_conns() {
            let request = stage.heard_bytes(wire);
            if stage.is_closed(wire) || request.is_empty() {
                continue;
            }
            for message in host(number, &request) {
                stage.world.borrow_mut().wire_mut(wire).deliver(&message);
            }
            stage.run();
        }
    }
}

/// The reply to a request: as RFC 792 has it, with another type, and so another checksum.
fn reply(request: &[u8]) -> Vec<u8> {
    assert_eq!(request[..2], [8, 0], "an echo request");
    let mut message = request.to_vec();
    message[0] = 0;
    let sum = u32::from(u16::from_be_bytes([message[2], message[3]])) + 0x0800;
    let sum = (sum & 0xffff) as u16 + (sum >> 16) as u16;
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

#[test]
fn silent_host_is_ejected_until_it_replies() {
    let mut stage = pinged(2);
    let well = |request: &[u8]| vec![reply(request)];
    live(&mut stage, Duration::from_secs(5), |_, r| well(r));
    assert_eq!(told(&mut stage), [""; 0]);
    // Three checks at most 2.2 s and then 0.55 s apart, and a second for each.
    live(&mut stage, Duration::from_millis(6_400), |number, r| {
        if number == 1 { Vec::new() } else { well(r) }
    });
    assert_eq!((state(&stage, 0), state(&stage, 1)), ("initial", "ejected"));
    let why = told(&mut stage).concat();
    let reason = "health check failed: no response in time (3 in a row)";
    assert!(why.contains(reason), "{why}");
    // One more that is under way, and two.
    live(&mut stage, Duration::from_millis(2_200), |_, r| well(r));
    assert_eq!(state(&stage, 1), "probation");
    for (wire, _) in stage.backend_conns() {
        assert!(stage.is_closed(wire), "a check closes its socket");
    }
}

#[test]
fn reply_is_found_behind_messages_of_other_hosts() {
    let mut stage = pinged(1);
    live(&mut stage, Duration::from_secs(8), |_, request| {
        // Its own request, as on a loopback interface; a response to another; nonsense.
        let mut other = reply(request);
        other[20] ^= 1;
        vec![request.to_vec(), other, vec![0xff; 3], reply(request)]
    });
    assert_eq!(told(&mut stage), [""; 0]);
    assert!(stage.backend_conns().len() >= 4);
}

#[test]
fn messages_that_are_not_the_reply_do_not_count() {
    let garblings: [Garbling; 4] = [
        |request| request.to_vec(),
        |request| reply(request)[..20].to_vec(),
        |request| {
            let mut message = reply(request);
            message[7] ^= 1;
            message
        },
        |request| {
            let mut unreachable = vec![3, 1, 0, 0, 0, 0, 0, 0];
            unreachable.extend(request);
            unreachable
        },
    ];
    for garbage in garblings {
        let mut stage = pinged(1);
        live(&mut stage, Duration::from_secs(7), |_, request| {
            vec![garbage(request); 3]
        });
        assert_eq!(state(&stage, 0), "ejected");
    }
}

#[test]
fn late_reply_is_ignored() {
    let mut stage = pinged(1);
    live(&mut stage, Duration::from_secs(7), |_, _| Vec::new());
    assert_eq!(state(&stage, 0), "ejected");
    let wires = stage.backend_conns();
    let open = wires.iter().filter(|(wire, _)| !stage.is_closed(*wire));
    assert!(open.count() <= 1, "given up with its check");
}

#[test]
fn a_flood_is_read_in_bounded_parts_and_hurts_one_check_at_most() {
    let mut stage = pinged(1);
    let flooded = std::cell::Cell::new(false);
    live(&mut stage, Duration::from_secs(8), |_, request| {
        if flooded.replace(true) {
            return vec![reply(request)];
        }
        let mut flood = vec![vec![0; 24]; 1_000];
        flood.push(reply(request));
        flood
    });
    assert_eq!(told(&mut stage), [""; 0]);
}

#[test]
fn no_way_to_the_host_is_a_failure_and_no_descriptor_is_none() {
    for (dial, fallen) in [(Dial::Refused, true), (Dial::Shortage, false)] {
        let mut stage = pinged(1);
        stage.dial(0, dial);
        live(&mut stage, Duration::from_secs(4), |_, _| Vec::new());
        assert_eq!(state(&stage, 0) == "ejected", fallen);
    }
}
