//! What strangers may have a node do: a bounded amount of work.

#![allow(clippy::unwrap_used)] // in the helpers of tests too

use std::net::SocketAddr;
use std::time::Duration;

use lb_chord::addr::Addr;
use lb_chord::id::Id;
use lb_chord::message::{Body, Cause, Item, Message, Own, Part, Reply, Request, Slice, Version};
use lb_chord::time::Timestamp;
use lb_chord::{Config, Host, Output, Source};

const KEYS: u64 = 2000;
/// More questions than there is a budget for.
const QUESTIONS: usize = 2000;

fn stranger() -> SocketAddr {
    ([127, 0, 0, 1], 40_000).into()
}

/// The reply to a question of a stranger.
fn ask(host: &mut Host, config: &Config, request: Request, now: Timestamp) -> Option<Reply> {
    let own = Own {
        to: 0,
        from: 0,
        req: 1,
        body: Body::Request(request),
    };
    let bytes = config.codec.encode(&Message::Own(own));
    host.handle(Source::datagram(stranger()), &bytes, now);
    let mut reply = None;
    while let Some(output) = host.poll() {
        if let Output::Send { to, bytes } = output
            && to.addr == stranger()
            && let Ok(Message::Own(own)) = config.codec.decode(&bytes)
            && let Body::Reply(found) = own.body
        {
            reply = Some(found);
        }
    }
    reply
}

fn host_with_keys() -> (Host, Config) {
    let config = Config::course(Addr::new("localhost", 5000).unwrap(), [1; 32]);
    let mut host = Host::new(config.clone(), Timestamp::ZERO);
    for nth in 0..KEYS {
        let item = Item {
            key: format!("key {nth}").into(),
            value: vec![b'N'].into(),
            version: Version {
                time_ms: nth,
                tie: 0,
            },
        };
        let reply = ask(&mut host, &config, Request::Copy(item), Timestamp::ZERO);
        assert_eq!(reply, Some(Reply::Done));
    }
    (host, config)
}

#[test]
fn strangers_that_compare_are_refused_beyond_a_budget() {
    let (mut host, config) = host_with_keys();
    let compare = || Request::Compare {
        slice: Slice {
            begin: Id::ZERO,
            end: Id::ZERO,
            prefix: 0,
            bits: 0,
        },
        count: 0,
        digest: 0,
    };
    let mut answered = |now| {
        let mut replies = (0..QUESTIONS).map(|_| ask(&mut host, &config, compare(), now));
        let answered = replies.by_ref().take_while(|r| *r == Some(Reply::Split));
        let answered = answered.count();
        assert!(replies.all(|reply| reply == Some(Reply::Refused(Cause::Full))));
        answered
    };
    assert_eq!(answered(Timestamp::ZERO), 500);
    assert_eq!(answered(Timestamp::ZERO), 0);
    assert_eq!(answered(Timestamp::ZERO + Duration::from_secs(1)), 150);
}

#[test]
fn clients_that_ask_for_the_state_all_the_time_are_answered_now_and_then() {
    let (mut host, config) = host_with_keys();
    let mut answered = |part, now| {
        let state = || Request::State { part, offset: 0 };
        let replies = (0..QUESTIONS).map(|_| ask(&mut host, &config, state(), now));
        replies.flatten().count()
    };
    assert_eq!(answered(Part::Keys, Timestamp::ZERO), 500);
    let later = Timestamp::ZERO + Duration::from_secs(1);
    assert_eq!(answered(Part::Summary, later), 150);
}
