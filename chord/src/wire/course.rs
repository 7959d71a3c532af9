//! The datagrams of the Python course: a pickled dict with `method` and usually `args`.
//!
//! Addresses are written as tuples of str and int, and read as tuples or lists. Messages of our
//! own are `{'method': 'LB', 'args': bytes}`, which Python peers read and ignore.

use std::sync::Arc;

use lb_pickle::{Value, Writer, to_opcodes};

use super::{Reject, from_postcard};
use crate::addr::{Addr, Peer};
use crate::id::{Id, Space};
use crate::message::{Course, Message};

/// What shared objects of a datagram may expand to. Python's pickles repeat by reference, ours do
/// not: a value is of no use if it does not fit into a datagram without that.
const MAX_VALUE: usize = 4 * super::COURSE_DATAGRAM;

/// The method of all messages of our own.
const OWN: &str = "LB";

pub(super) fn encode(message: &Course) -> Vec<u8> {
    match message {
        Course::Put { key, value, from } => call("PUT", |w| {
            w.key("key").text(key);
            w.key("value").opcodes(value);
            optional_addr(w, from.as_ref());
        }),
        Course::Get { key, from } => call("GET", |w| {
            w.key("key").text(key);
            optional_addr(w, from.as_ref());
        }),
        Course::Ack(None) => bare("ACK"),
        Course::Ack(Some(value)) => with_args("ACK", |w| w.opcodes(value)),
        Course::Nack => bare("NACK"),
        Course::JoinReq(peer) => call("JOIN_REQ", |w| {
            addr(w.key("addr"), &peer.addr);
            id(w.key("id"), peer.id);
        }),
        Course::JoinRep(successor) => call("JOIN_REP", |w| peer(w, "successor", successor)),
        Course::Notify(predecessor) => call("NOTIFY", |w| peer(w, "predecessor", predecessor)),
        Course::Predecessor => bare("PREDECESSOR"),
        Course::Stabilize(predecessor) => with_args("STABILIZE", |w| match predecessor {
            Some(predecessor) => id(w, *predecessor),
            None => w.none(),
        }),
        Course::Successor { id: wanted, from } => call("SUCCESSOR", |w| {
            id(w.key("id"), *wanted);
            addr(w.key("from"), from);
        }),
        Course::SuccessorRep { req_id, successor } => call("SUCCESSOR_REP", |w| {
            id(w.key("req_id"), *req_id);
            peer(w, "successor", successor);
        }),
    }
}

pub(super) fn encode_own(bytes: &[u8]) -> Vec<u8> {
    with_args(OWN, |w| w.bytes(bytes))
}

fn dict(items: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut pickle = Vec::new();
    Writer::pickle(&mut pickle, |w| w.dict(items));
    pickle
}

fn bare(method: &str) -> Vec<u8> {
    dict(|w| w.key("method").text(method))
}

fn with_args(method: &str, args: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    dict(|w| {
        w.key("method").text(method);
        args(w.key("args"));
    })
}

fn call(method: &str, items: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    with_args(method, |w| w.dict(items))
}

fn id(w: &mut Writer<'_>, id: Id) {
    w.int(i64::from(id.small().unwrap_or_default()));
}

fn addr(w: &mut Writer<'_>, addr: &Addr) {
    w.pair(|w| w.text(&addr.host()), |w| w.int(i64::from(addr.port())));
}

fn optional_addr(w: &mut Writer<'_>, from: Option<&Addr>) {
    if let Some(from) = from {
        addr(w.key("from"), from);
    }
}

fn peer(w: &mut Writer<'_>, role: &str, peer: &Peer) {
    id(w.key(&format!("{role}_id")), peer.id);
    addr(w.key(&format!("{role}_addr")), &peer.addr);
}

pub(super) fn decode(bytes: &[u8]) -> Result<Message, Reject> {
    let message = lb_pickle::read(bytes, MAX_VALUE).map_err(Reject::Pickle)?;
    let method = message.get("method").and_then(Value::as_text);
    let method = method.ok_or(Reject::Shape)?;
    let args = message.get("args");
    if method == OWN {
        return match args {
            Some(Value::Bytes(bytes)) => {
                let own = from_postcard(bytes).map(Message::Own);
                own.ok_or(Reject::Shape)
            }
            _ => Err(Reject::Shape),
        };
    }
    if !METHODS.contains(&method) {
        return Err(Reject::Unknown);
    }
    read(method, args.unwrap_or(&Value::Null))
        .map(Message::Course)
        .ok_or(Reject::Shape)
}

const METHODS: [&str; 11] = [
    "PUT",
    "GET",
    "ACK",
    "NACK",
    "JOIN_REQ",
    "JOIN_REP",
    "NOTIFY",
    "PREDECESSOR",
    "STABILIZE",
    "SUCCESSOR",
    "SUCCESSOR_REP",
];

fn read(method: &str, args: &Value) -> Option<Course> {
    Some(match method {
        "PUT" => Course::Put {
            key: read_key(args)?,
            value: to_opcodes(args.get("value")?).into(),
            from: read_optional_addr(args.get("from"))?,
        },
        "GET" => Course::Get {
            key: read_key(args)?,
            from: read_optional_addr(args.get("from"))?,
        },
        "ACK" => match args {
            Value::Null => Course::Ack(None),
            value => Course::Ack(Some(to_opcodes(value).into())),
        },
        "NACK" => Course::Nack,
        "JOIN_REQ" => Course::JoinReq(read_peer(args.get("id")?, args.get("addr")?)?),
        "JOIN_REP" => Course::JoinRep(read_role(args, "successor")?),
        "NOTIFY" => Course::Notify(read_role(args, "predecessor")?),
        "PREDECESSOR" => Course::Predecessor,
        "STABILIZE" => match args {
            Value::Null => Course::Stabilize(None),
            predecessor => Course::Stabilize(Some(read_id(predecessor)?)),
        },
        "SUCCESSOR" => Course::Successor {
            id: read_id(args.get("id")?)?,
            from: read_addr(args.get("from")?)?,
        },
        "SUCCESSOR_REP" => Course::SuccessorRep {
            req_id: read_id(args.get("req_id")?)?,
            successor: read_role(args, "successor")?,
        },
        _ => return None,
    })
}

fn read_key(args: &Value) -> Option<Arc<str>> {
    args.get("key")?.as_text().map(Into::into)
}

fn read_id(value: &Value) -> Option<Id> {
    let number = u16::try_from(value.as_int()?).ok()?;
    let id = Id::new(u128::from(number));
    Space::COURSE.has(id).then_some(id)
}

fn read_addr(value: &Value) -> Option<Addr> {
    match value {
        Value::Tuple(items) | Value::List(items) => match items.as_slice() {
            [host, port] => {
                let port = u16::try_from(port.as_int()?).ok()?;
                Addr::new(host.as_text()?, port)
            }
            _ => None,
        },
        _ => None,
    }
}

/// The address of a client that may be left out; none of the outer `Option` if it is no address.
#[expect(clippy::option_option, reason = "absent and wrong are two things")]
fn read_optional_addr(value: Option<&Value>) -> Option<Option<Addr>> {
    match value {
        None | Some(Value::Null) => Some(None),
        Some(value) => read_addr(value).map(Some),
    }
}

fn read_role(args: &Value, role: &str) -> Option<Peer> {
    read_peer(
        args.get(&format!("{role}_id"))?,
        args.get(&format!("{role}_addr"))?,
    )
}

/// A peer; whether its id is that of its address is for the node to say.
fn read_peer(id: &Value, addr: &Value) -> Option<Peer> {
    Some(Peer {
        id: read_id(id)?,
        addr: read_addr(addr)?,
        vnode: 0,
    })
}
