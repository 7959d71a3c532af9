//! The datagrams of the Python course: a pickled dict with `method` and usually `args`.
//!
//! Addresses are written as tuples of str and int, and read as tuples or lists. Messages of our
//! own are `{'method': 'LB', 'args': bytes}`, which Python peers read and ignore.

use std::sync::Arc;

use super::{Reject, from_postcard};
use crate::addr::{Addr, Peer};
use crate::id::{Id, Space};
use crate::message::{Course, Message};
use crate::pickle::{self, Value, Writer};

/// The method of all messages of our own.
const OWN: &str = "LB";

pub(super) fn encode(message: &Course) -> Vec<u8> {
    match message {
        Course::Put { key, value, from } => call("PUT", |w| {
            w.key("key").str(key);
            w.key("value").raw(value);
            optional_addr(w, from.as_ref());
        }),
        Course::Get { key, from } => call("GET", |w| {
            w.key("key").str(key);
            optional_addr(w, from.as_ref());
        }),
        Course::Ack(None) => bare("ACK"),
        Course::Ack(Some(value)) => with_args("ACK", |w| w.raw(value)),
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

fn bare(method: &str) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.dict(|w| w.key("method").str(method));
    writer.finish()
}

fn with_args(method: &str, args: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.dict(|w| {
        w.key("method").str(method);
        args(w.key("args"));
    });
    writer.finish()
}

fn call(method: &str, items: impl FnOnce(&mut Writer)) -> Vec<u8> {
    with_args(method, |w| w.dict(items))
}

fn id(w: &mut Writer, id: Id) {
    w.int(i64::from(id.small().unwrap_or_default()));
}

fn addr(w: &mut Writer, addr: &Addr) {
    w.pair(|w| w.str(&addr.host()), |w| w.int(i64::from(addr.port())));
}

fn optional_addr(w: &mut Writer, from: Option<&Addr>) {
    if let Some(from) = from {
        addr(w.key("from"), from);
    }
}

fn peer(w: &mut Writer, role: &str, peer: &Peer) {
    id(w.key(&format!("{role}_id")), peer.id);
    addr(w.key(&format!("{role}_addr")), &peer.addr);
}

pub(super) fn decode(bytes: &[u8]) -> Result<Message, Reject> {
    let message = pickle::decode(bytes).map_err(Reject::Pickle)?;
    let method = message.get("method").and_then(Value::as_str);
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
    read(method, args.unwrap_or(&Value::None))
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
            value: Writer::fragment(args.get("value")?).into(),
            from: read_optional_addr(args.get("from"))?,
        },
        "GET" => Course::Get {
            key: read_key(args)?,
            from: read_optional_addr(args.get("from"))?,
        },
        "ACK" => match args {
            Value::None => Course::Ack(None),
            value => Course::Ack(Some(Writer::fragment(value).into())),
        },
        "NACK" => Course::Nack,
        "JOIN_REQ" => Course::JoinReq(read_peer(args.get("id")?, args.get("addr")?)?),
        "JOIN_REP" => Course::JoinRep(read_role(args, "successor")?),
        "NOTIFY" => Course::Notify(read_role(args, "predecessor")?),
        "PREDECESSOR" => Course::Predecessor,
        "STABILIZE" => match args {
            Value::None => Course::Stabilize(None),
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
    args.get("key")?.as_str().map(Into::into)
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
                Addr::new(host.as_str()?, port)
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
        None | Some(Value::None) => Some(None),
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
