//! Names with sockets: carries out what the resolver says, by the servers and hosts of this
//! machine.

use crate::config::Dns;
use crate::discovery::{Act, DiscoveryEvent, Hosts, Name, NameEvent, Names, QueryId};
use crate::discovery::{Resolver, ResolverConf};
use crate::net::{Arrived, DnsSockets, FollowedFile, Look, seed};
use crate::time::Timestamp;
use mio::{Registry, Token};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// Time between two looks at the files of this machine.
const SYSTEM_FILES_INTERVAL: Duration = Duration::from_secs(5);

/// The names that are followed, and what it takes to look them up.
#[derive(Debug)]
pub(super) struct NameFollower {
    names: Names,
    resolver: Resolver,
    sockets: DnsSockets,
    /// Instead of those of this machine, if there are any.
    servers: Vec<SocketAddr>,
    conf: FollowedFile,
    hosts: FollowedFile,
    /// When these are looked at again.
    look_at: Timestamp,
}

impl NameFollower {
    /// `first` is the first of the tokens that it may use.
    pub(super) fn new(dns: &Dns, registry: Registry, first: usize) -> Self {
        let servers: Vec<_> = dns.nameservers.iter().map(|server| server.0).collect();
        let conf = ResolverConf::default().with_servers(&servers);
        Self {
            names: Names::new(dns.hold, seed),
            resolver: Resolver::new(conf, seed),
            sockets: DnsSockets::new(registry, first),
            servers,
            conf: FollowedFile::new("/etc/resolv.conf".into()),
            hosts: FollowedFile::new("/etc/hosts".into()),
            look_at: Timestamp::ZERO,
        }
    }

    /// Follows these names, and looks up those that are due. Returns whether something else is known
    /// than before.
    pub(super) fn advance(&mut self, names: &BTreeSet<Name>, now: Timestamp) -> bool {
        self.names.follow(names, now);
        if now >= self.look_at && !names.is_empty() {
            self.look_at = now + SYSTEM_FILES_INTERVAL;
            self.read_system_files();
        }
        self.resolver.expire(now);
        // What cannot be sent is answered at once, and the next server is asked.
        loop {
            self.names.advance(&mut self.resolver, now);
            // The hosts of services that were found.
            self.names.follow(names, now);
            self.names.advance(&mut self.resolver, now);
            if !self.carry_out(now) {
                break;
            }
        }
        self.names.take_changed()
    }

    /// Returns whether there was something to do.
    fn carry_out(&mut self, now: Timestamp) -> bool {
        let mut is_active = false;
        while let Some(act) = self.resolver.next_act() {
            is_active = true;
            let (id, sent) = match &act {
                Act::Datagram(id, to, bytes) => (*id, self.sockets.send(id.0, *to, bytes)),
                Act::Stream(id, to, bytes) => (*id, self.sockets.open(id.0, *to, bytes)),
                Act::Close(id) => {
                    self.sockets.close(id.0);
                    continue;
                }
            };
            if let Err(error) = sent {
                self.resolver.failed(id, &error.to_string(), now);
            }
        }
        is_active
    }

    /// Goes on with the socket of this token, which has an event.
    pub(super) fn ready(&mut self, token: Token, now: Timestamp) {
        let Some(attempt) = self.sockets.attempt(token) else {
            return;
        };
        for arrived in self.sockets.ready(attempt) {
            match arrived {
                Arrived::Message(bytes) => self.resolver.received(QueryId(attempt), &bytes, now),
                Arrived::Failed(problem) => self.resolver.failed(QueryId(attempt), &problem, now),
            }
        }
    }

    fn read_system_files(&mut self) {
        let text = |file: &mut FollowedFile| match file.look(false) {
            Look::Same => None,
            Look::Text(text) => Some(String::from_utf8_lossy(&text).into_owned()),
            Look::Failed(_) => Some(String::new()),
        };
        if let Some(text) = text(&mut self.conf) {
            let conf = ResolverConf::parse(&text).with_servers(&self.servers);
            self.resolver.set_conf(conf);
        }
        if let Some(text) = text(&mut self.hosts) {
            self.names.set_hosts(Hosts::parse(&text));
        }
    }

    /// When there is something to do.
    pub(super) fn next_wakeup(&self) -> Timestamp {
        self.names.next_wakeup().min(self.resolver.next_wakeup())
    }

    /// What is known of the names.
    pub(super) const fn known(&self) -> &Names {
        &self.names
    }

    /// What there is to tell.
    pub(super) fn take_events(&mut self) -> Vec<DiscoveryEvent> {
        let events = self.names.take_events().into_iter();
        events.map(told).collect()
    }
}

fn told(event: NameEvent) -> DiscoveryEvent {
    let text = |name| match name {
        Name::Host(name) | Name::Service(name) => name,
    };
    match event {
        NameEvent::Failed(name, problem, is_held) => DiscoveryEvent::NameFailed {
            name: text(name),
            problem,
            is_held,
        },
        NameEvent::Recovered(name) => DiscoveryEvent::NameRecovered { name: text(name) },
        NameEvent::TooMany(name, count) => DiscoveryEvent::TooManyAddresses {
            name: text(name),
            count,
        },
    }
}
