//! Round trips, and the exact shapes of the course.

use lb_pickle::{Value, to_opcodes, to_vec};

use super::*;
use crate::addr::{Addr, Peer};
use crate::id::{Id, Space};
use crate::message::{Body, Course, Item, Reply, Request, Version};

fn addr(port: u16) -> Addr {
    Addr::new("localhost", port).unwrap()
}

fn peer(port: u16) -> Peer {
    Peer::new(Space::COURSE, addr(port), 0)
}

fn text(text: &str) -> Value {
    Value::text(text)
}

fn dict(items: &[(&str, Value)]) -> Value {
    let items = items.iter().map(|(k, v)| (text(k), v.clone()));
    Value::Dict(items.collect())
}

fn tuple(port: i64) -> Value {
    Value::Tuple(vec![text("localhost"), Value::Int(port)])
}

fn list() -> Value {
    Value::List(vec![Value::Int(0), Value::Int(1), Value::Int(2)])
}

/// Every message of the course beside the dict that Python has to see.
fn table() -> Vec<(Course, Value)> {
    let value = || to_opcodes(&list()).into();
    let call = |method: &str, args: Value| dict(&[("method", text(method)), ("args", args)]);
    let key = |rest: &[(&str, Value)]| dict(&[&[("key", text("A"))], rest].concat());
    vec![
        (
            Course::Put {
                key: "A".into(),
                value: value(),
                from: None,
            },
            call("PUT", key(&[("value", list())])),
        ),
        (
            Course::Put {
                key: "A".into(),
                value: value(),
                from: Some(addr(7)),
            },
            call("PUT", key(&[("value", list()), ("from", tuple(7))])),
        ),
        (
            Course::Get {
                key: "A".into(),
                from: None,
            },
            call("GET", key(&[])),
        ),
        (
            Course::Get {
                key: "A".into(),
                from: Some(addr(7)),
            },
            call("GET", key(&[("from", tuple(7))])),
        ),
        (Course::Ack(None), dict(&[("method", text("ACK"))])),
        (Course::Ack(Some(value())), call("ACK", list())),
        (Course::Nack, dict(&[("method", text("NACK"))])),
        (
            Course::JoinReq(peer(5001)),
            call(
                "JOIN_REQ",
                dict(&[("addr", tuple(5001)), ("id", Value::Int(959))]),
            ),
        ),
        (
            Course::JoinRep(peer(5000)),
            call(
                "JOIN_REP",
                dict(&[
                    ("successor_id", Value::Int(770)),
                    ("successor_addr", tuple(5000)),
                ]),
            ),
        ),
        (
            Course::Notify(peer(5000)),
            call(
                "NOTIFY",
                dict(&[
                    ("predecessor_id", Value::Int(770)),
                    ("predecessor_addr", tuple(5000)),
                ]),
            ),
        ),
        (
            Course::Predecessor,
            dict(&[("method", text("PREDECESSOR"))]),
        ),
        (Course::Stabilize(None), call("STABILIZE", Value::Null)),
        (
            Course::Stabilize(Some(Id::new(770))),
            call("STABILIZE", Value::Int(770)),
        ),
        (
            Course::Successor {
                id: Id::new(2),
                from: addr(5000),
            },
            call(
                "SUCCESSOR",
                dict(&[("id", Value::Int(2)), ("from", tuple(5000))]),
            ),
        ),
        (
            Course::SuccessorRep {
                req_id: Id::new(2),
                successor: peer(5003),
            },
            call(
                "SUCCESSOR_REP",
                dict(&[
                    ("req_id", Value::Int(2)),
                    ("successor_id", Value::Int(257)),
                    ("successor_addr", tuple(5003)),
                ]),
            ),
        ),
    ]
}

#[test]
fn the_table_of_the_course_is_kept() {
    for (message, python) in table() {
        let bytes = Codec::Course.encode(&Message::Course(message.clone()));
        assert_eq!(
            lb_pickle::read(&bytes, bytes.len()),
            Ok(python.clone()),
            "{message:?}"
        );
        let decoded = Codec::Course.decode(&to_vec(&python));
        assert_eq!(decoded, Ok(Message::Course(message)));
    }
}

#[test]
fn a_datagram_of_more_than_1024_bytes_is_refused() {
    let message = |len: usize| dict(&[("method", text("NACK")), ("x", text(&"x".repeat(len)))]);
    let overhead = to_vec(&message(500)).len() - 500;
    let fits = to_vec(&message(COURSE_DATAGRAM - overhead));
    assert_eq!(fits.len(), 1024);
    assert!(Codec::Course.decode(&fits).is_ok());
    let long = to_vec(&message(COURSE_DATAGRAM - overhead + 1));
    assert_eq!(Codec::Course.decode(&long), Err(Reject::TooLong));
}

#[test]
fn misshapen_messages_are_refused() {
    let call = |method: &str, args: Value| dict(&[("method", text(method)), ("args", args)]);
    let wrong = [
        Value::Null,
        dict(&[]),
        dict(&[("method", Value::Int(1))]),
        call("PUT", dict(&[("key", text("A"))])),
        call(
            "PUT",
            dict(&[("key", Value::Int(1)), ("value", Value::Null)]),
        ),
        call("GET", Value::Null),
        call("GET", dict(&[("key", text("A")), ("from", text("x"))])),
        call("STABILIZE", Value::Int(1024)),
        call("STABILIZE", Value::Int(-1)),
        call("STABILIZE", Value::Bool(true)),
        call(
            "SUCCESSOR",
            dict(&[("id", Value::Int(1)), ("from", Value::Tuple(vec![]))]),
        ),
        call(
            "JOIN_REQ",
            dict(&[("id", Value::Int(770)), ("addr", tuple(65_536))]),
        ),
        call("LB", Value::Bytes(vec![255; 40])),
        call("LB", Value::Null),
    ];
    for value in wrong {
        let bytes = to_vec(&value);
        assert_eq!(
            Codec::Course.decode(&bytes),
            Err(Reject::Shape),
            "{value:?}"
        );
    }
    let unknown = to_vec(&call("HELLO", Value::Null));
    assert_eq!(Codec::Course.decode(&unknown), Err(Reject::Unknown));
}

fn own() -> Own {
    let peer = Peer::new(Space::NATIVE, "10.0.0.1:5000".parse().unwrap(), 3);
    let body = Body::Request(Request::Links { notify: Some(peer) });
    Own {
        to: 1,
        from: 2,
        req: u64::MAX,
        body,
    }
}

#[test]
fn messages_of_our_own_come_back_in_both_encodings() {
    let message = Message::Own(own());
    let key = Key::new(b"sixteen bytes or more");
    for codec in [Codec::Course, Codec::Native(None), Codec::Native(key)] {
        assert_eq!(codec.decode(&codec.encode(&message)), Ok(message.clone()));
    }
}

#[test]
fn the_largest_item_fits_into_a_datagram_whatever_carries_it() {
    let key: std::sync::Arc<str> = "k".into();
    let value: crate::message::Bytes = to_opcodes(&text(&"x".repeat(COURSE_ITEM - 6))).into();
    assert_eq!(key.len() + value.len(), COURSE_ITEM);
    let version = Version {
        time_ms: u64::MAX,
        tie: u32::MAX,
    };
    let item = Item {
        key: key.clone(),
        value: value.clone(),
        version,
    };
    let from = Addr::new("255.255.255.255", 65_535);
    let own = |body| {
        Message::Own(Own {
            to: u16::MAX,
            from: u16::MAX,
            req: u64::MAX,
            body,
        })
    };
    for message in [
        Message::Course(Course::Put {
            key: key.clone(),
            value: value.clone(),
            from,
        }),
        own(Body::Request(Request::Copy(item.clone()))),
        own(Body::Request(Request::Store { key, value })),
        own(Body::Reply(Reply::Found(item))),
    ] {
        let len = Codec::Course.encode(&message).len();
        assert!(len <= COURSE_DATAGRAM, "{len}");
    }
}

#[test]
fn a_mac_is_needed_with_a_key_and_refused_without() {
    let signed = Codec::Native(Key::new(b"the secret of all nodes"));
    let other = Codec::Native(Key::new(b"the secret of no node"));
    let open = Codec::Native(None);
    let message = Message::Own(own());
    assert_eq!(other.decode(&signed.encode(&message)), Err(Reject::Mac));
    assert_eq!(open.decode(&signed.encode(&message)), Err(Reject::Mac));
    assert_eq!(signed.decode(&open.encode(&message)), Err(Reject::Mac));
    let good = signed.encode(&message);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(signed.decode(&bad).is_err(), "byte {at}");
    }
    assert!(Key::new(b"short").is_none());
}
