//! Questions and replies as bytes (RFC 1035, section 4; SRV in RFC 2782).
//!
//! A reply counts only if it repeats the id and the question; anything else may have been made up.
//! Names are compared in lower case.

use simple_dns::rdata::RData;
use simple_dns::{
    CLASS, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, Question as WireQuestion, RCODE, TYPE,
};
use std::net::IpAddr;

/// The longest chain of aliases that is followed.
const MAX_ALIASES: usize = 16;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    A,
    Aaaa,
    Srv,
}

/// One question. The name is in lower case, without a final dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// A record that answers a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Address(IpAddr),
    Service {
        priority: u16,
        weight: u16,
        port: u16,
        target: String,
    },
}

/// What a server replied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// At least one record, and the seconds for which all are valid.
    Found(Vec<Record>, u32),
    /// The name does not exist, or has no such record.
    Nothing,
    /// It did not fit into a datagram.
    Truncated,
    /// The server cannot or will not answer: in words.
    Failed(String),
}

impl Kind {
    const fn code(self) -> TYPE {
        match self {
            Self::A => TYPE::A,
            Self::Aaaa => TYPE::AAAA,
            Self::Srv => TYPE::SRV,
        }
    }
}

/// The datagram that asks a question; `None` if it is about no name that can be asked for.
pub(super) fn write(question: &Question, id: u16) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = simple_dns::Name::new(&question.name).ok()?;
    let (kind, class) = (QTYPE::TYPE(question.kind.code()), QCLASS::CLASS(CLASS::IN));
    packet
        .questions
        .push(WireQuestion::new(name, kind, class, false));
    packet.build_bytes_vec().ok()
}

/// Reads the reply to a question; `None` if these bytes are none.
pub(super) fn read(bytes: &[u8], id: u16, question: &Question) -> Option<Reply> {
    let packet = Packet::parse(bytes).ok()?;
    let is_reply = packet.has_flags(PacketFlag::RESPONSE)
        && packet.opcode() == OPCODE::StandardQuery
        && packet.id() == id;
    let [asked] = packet.questions.as_slice() else {
        return None;
    };
    let is_asked = lower(&asked.qname) == question.name
        && asked.qtype == QTYPE::TYPE(question.kind.code())
        && asked.qclass == QCLASS::CLASS(CLASS::IN);
    if !(is_reply && is_asked) {
        return None;
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Some(Reply::Truncated);
    }
    Some(match packet.rcode() {
        RCODE::NoError => answer(&packet, question),
        RCODE::NameError => Reply::Nothing,
        RCODE::ServerFailure => Reply::Failed("the server failed (SERVFAIL)".to_owned()),
        RCODE::Refused => Reply::Failed("the server refuses to answer (REFUSED)".to_owned()),
        other => Reply::Failed(format!("the server replied {other:?}")),
    })
}

fn lower(name: &simple_dns::Name<'_>) -> String {
    name.to_string().to_ascii_lowercase()
}

/// The records for the name, or for that at the end of its aliases.
fn answer(packet: &Packet<'_>, question: &Question) -> Reply {
    let records = || packet.answers.iter().filter(|it| it.class == CLASS::IN);
    let (mut name, mut ttl) = (question.name.clone(), u32::MAX);
    for _ in 0..MAX_ALIASES {
        let mut of_name = records().filter(|record| lower(&record.name) == name);
        let alias = of_name.find_map(|record| match &record.rdata {
            RData::CNAME(alias) => Some((lower(&alias.0), record.ttl)),
            _ => None,
        });
        let Some((alias, alias_ttl)) = alias else {
            break;
        };
        (name, ttl) = (alias, ttl.min(alias_ttl));
    }
    let mut found = Vec::new();
    for record in records().filter(|record| lower(&record.name) == name) {
        let value = match (&record.rdata, question.kind) {
            (RData::A(a), Kind::A) => Record::Address(std::net::Ipv4Addr::from(a.address).into()),
            (RData::AAAA(a), Kind::Aaaa) => {
                Record::Address(std::net::Ipv6Addr::from(a.address).into())
            }
            // The root is no host: there is no such service (RFC 2782).
            (RData::SRV(service), Kind::Srv)
                if service.port == 0 || service.target.get_labels().is_empty() =>
            {
                continue;
            }
            (RData::SRV(service), Kind::Srv) => Record::Service {
                priority: service.priority,
                weight: service.weight,
                port: service.port,
                target: lower(&service.target),
            },
            _ => continue,
        };
        ttl = ttl.min(record.ttl);
        if !found.contains(&value) {
            found.push(value);
        }
    }
    match found.is_empty() {
        true => Reply::Nothing,
        false => Reply::Found(found, ttl),
    }
}
