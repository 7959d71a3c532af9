//! Invariants of a proxy between any two turns, however its peers behave.

use super::super::Proxy;
use super::super::backend_conn::BackendConnState;
use super::super::client_conn::ClientConnState;
use super::super::exchange::Attempt;
use super::super::run_queue::Runnable;
use super::network::SimNetwork;
use crate::pool::Pool;
use crate::strategy::BackendId;
use std::collections::HashSet;

type Sim = Proxy<SimNetwork>;

fn pool(server: &Sim) -> &Pool {
    server.traffic.pools.first()
}

/// Checks all of it.
pub(super) fn check(server: &Sim) {
    leases_are_held_by_exchanges(server);
    clients_and_exchanges_belong_together(server);
    idle_links_are_in_the_pool(server);
    queue_holds_exactly_the_waiting_exchanges(server);
    nothing_is_resumed_twice(server);
    buffers_have_owners(server);
}

/// Checks that a proxy without connections holds nothing.
pub(super) fn check_empty(server: &Sim) {
    check(server);
    let slots = &server.traffic.conns;
    let left = (
        slots.clients.len(),
        slots.backends.len(),
        slots.exchanges.len(),
    );
    assert_eq!(left, (0, 0, 0), "clients, links, exchanges left");
    assert_eq!(server.traffic.io.buffers.lent(), 0, "buffers lent");
    assert_eq!(server.traffic.io.pipes.lent(), 0, "pipes lent");
    assert_eq!(pool(server).backends.in_flight(), 0, "in flight");
}

/// Checks that nothing is left of backends that were all removed.
pub(super) fn check_vacant(server: &Sim) {
    let pool = pool(server);
    let slots = pool.backends.candidates();
    assert!(slots.iter().all(|c| !c.live && !c.pickable), "{slots:?}");
    assert_eq!(pool.backends.vacant_slots(), slots.len(), "vacant slots");
    for candidate in slots {
        assert_eq!(pool.idle.len(candidate.id), 0, "idle connections");
        assert!(!server.health_checks.knows(candidate.id), "checks");
    }
}

/// Each lease has an exchange, each exchange at a backend a link of its own.
fn leases_are_held_by_exchanges(server: &Sim) {
    let slots = &server.traffic.conns;
    let mut held = 0;
    for id in slots.exchanges.ids() {
        if let Attempt::At { conn, lease, .. } = &slots.exchanges.get(id).unwrap().attempt {
            held += 1;
            let link = slots.backends.get(*conn).expect("an attempt has a link");
            assert_eq!(link.backend, lease.backend());
            match link.state {
                BackendConnState::Connecting(exchange) | BackendConnState::Busy(exchange) => {
                    assert_eq!(exchange, id, "a link serves the exchange that holds it");
                }
                BackendConnState::Idle { .. } | BackendConnState::Closed => {
                    panic!("{id:?} has a lost link")
                }
            }
        }
    }
    assert_eq!(pool(server).backends.in_flight(), held, "leases held");
    let candidates = pool(server).backends.candidates().iter();
    let in_flight: usize = candidates.map(|c| c.in_flight as usize).sum();
    assert_eq!(in_flight, held, "in flight over all candidates");
    let serves = |state| {
        matches!(
            state,
            BackendConnState::Connecting(_) | BackendConnState::Busy(_)
        )
    };
    let serving = backend_conns(server)
        .filter(|(state, _)| serves(*state))
        .count();
    assert_eq!(serving, held, "links that serve");
}

fn clients_and_exchanges_belong_together(server: &Sim) {
    let slots = &server.traffic.conns;
    let mut busy = 0;
    for id in slots.clients.ids() {
        let client = slots.clients.get(id).unwrap();
        match client.state {
            ClientConnState::Busy(exchange) => {
                busy += 1;
                assert_eq!(slots.exchanges.get(exchange).unwrap().client, id);
            }
            ClientConnState::Head | ClientConnState::Verifying => {
                assert!(client.conn.unread.is_some())
            }
            ClientConnState::ProxyHeader
            | ClientConnState::Handshake
            | ClientConnState::Idle
            | ClientConnState::Lingering { .. } => {}
            ClientConnState::Closed => panic!("closed clients are gone at the end of a turn"),
        }
    }
    assert_eq!(slots.exchanges.len(), busy, "clients in an exchange");
}

/// Each idle link is at its place in the stack of its backend, which has no other.
fn idle_links_are_in_the_pool(server: &Sim) {
    let mut pooled = 0;
    for id in server.traffic.conns.backends.ids() {
        let link = server.traffic.conns.backends.get(id).unwrap();
        if let BackendConnState::Idle { place } = link.state {
            pooled += 1;
            assert_eq!(pool(server).idle.at(link.backend, place), Some(id));
            assert!(link.conn.unread.is_none(), "an idle link holds no buffer");
        }
    }
    let backends: HashSet<BackendId> = pool(server)
        .backends
        .candidates()
        .iter()
        .map(|c| c.id)
        .collect();
    let stacked: usize = backends.iter().map(|id| pool(server).idle.len(*id)).sum();
    assert_eq!(stacked, pooled, "links in the pool");
}

fn queue_holds_exactly_the_waiting_exchanges(server: &Sim) {
    let exchanges = &server.traffic.conns.exchanges;
    let ids = exchanges.ids().into_iter();
    let waiting = ids.filter(|id| matches!(exchanges.get(*id).unwrap().attempt, Attempt::Queued));
    assert_eq!(
        pool(server).queue.len(),
        waiting.count(),
        "waiting in the queue"
    );
}

/// Work that yielded is taken up once a turn, however many reasons it had.
fn nothing_is_resumed_twice(server: &Sim) {
    let mut seen = HashSet::new();
    for again in server.traffic.run_queue.iter() {
        if let Runnable::Exchange(id) = again {
            assert!(seen.insert(*id), "{id:?} waits for its turn twice");
        }
    }
}

/// A client or a link holds at most what is unread, an exchange at most a request, a response and
/// a label for the log.
fn buffers_have_owners(server: &Sim) {
    let slots = &server.traffic.conns;
    let clients = slots.clients.ids().into_iter();
    let unread = clients
        .filter(|id| slots.clients.get(*id).unwrap().conn.unread.is_some())
        .count();
    let links = backend_conns(server).filter(|(_, unread)| *unread).count();
    let exchanges = slots.exchanges.len();
    let lent = server.traffic.io.buffers.lent();
    assert!(
        (unread + links..=unread + links + 3 * exchanges).contains(&lent),
        "{lent} buffers lent to {unread} clients, {links} links and {exchanges} exchanges"
    );
    assert!(
        server.traffic.io.pipes.lent() <= 2 * exchanges,
        "pipes lent"
    );
}

fn backend_conns(server: &Sim) -> impl Iterator<Item = (BackendConnState, bool)> {
    let links = server.traffic.conns.backends.ids().into_iter();
    links.map(|id| {
        let link = server.traffic.conns.backends.get(id).unwrap();
        (link.state, link.conn.unread.is_some())
    })
}
