//! Several listeners and several pools in one balancer, with one worker and with two.

use crate::support::{Backend, Client};
use lb::config::{Config, ListenerConfig, PoolConfig, PoolId, Workers};
use lb::strategy::RoundRobin;
use lb::{AdminError, Balancer, Running};

/// A backend whose responses say `name`.
fn saying(name: &'static str) -> Backend {
    Backend::answering(move |_| {
        let length = name.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}").into_bytes()
    })
}

fn pool(name: &str, backends: &[&Backend]) -> PoolConfig {
    let backends = backends.iter().map(|backend| backend.address.to_string());
    let mut pool = PoolConfig::new(name, backends.map(|text| text.parse().unwrap())).unwrap();
    pool.strategy = RoundRobin::ENTRY.spec();
    pool
}

/// A listener for each pool, on any port.
fn running(pools: Vec<PoolConfig>, workers: usize) -> Running {
    let listeners = (0..pools.len() as u16).map(|number| {
        let mut listener = ListenerConfig::new(["127.0.0.1:0".parse().unwrap()]).unwrap();
        listener.pool = PoolId::new(number);
        listener
    });
    let mut config = Config::of(listeners.collect(), pools).unwrap();
    config.workers = Workers::new(workers).unwrap();
    Balancer::bind(&config).unwrap().spawn().unwrap()
}

#[test]
fn each_listener_is_served_by_its_pool() {
    let (left, right, both) = (saying("left"), saying("right"), saying("both"));
    for workers in [1, 2] {
        let pools = vec![pool("a", &[&left, &both]), pool("b", &[&right, &both])];
        let running = running(pools, workers);
        for (nth, own) in ["left", "right"].into_iter().enumerate() {
            let mut bodies: Vec<String> = (0..8)
                .map(|_| Client::connect(running.addresses()[nth]).get("/").text())
                .collect();
            bodies.sort();
            assert!(
                bodies.iter().filter(|body| *body == own).count() >= 3,
                "{bodies:?}"
            );
            assert!(
                bodies.iter().filter(|body| *body == "both").count() >= 3,
                "{bodies:?}"
            );
            assert!(bodies.iter().all(|body| body == own || body == "both"));
        }
        let snapshot = running.handle().snapshot().unwrap();
        let shown = snapshot.backends.iter();
        let shown: Vec<_> = shown
            .map(|row| (row.name.clone(), row.picks >= 3))
            .collect();
        let expected = [("a", &left), ("a", &both), ("b", &right), ("b", &both)];
        let expected = expected.map(|(pool, of)| (format!("{pool}/{}", of.address), true));
        assert_eq!(shown, expected);
        running.stop().unwrap();
    }
}

#[test]
fn a_backend_of_two_pools_has_a_state_in_each() {
    let (both, other) = (saying("both"), saying("other"));
    for workers in [1, 2] {
        let pools = vec![pool("a", &[&both, &other]), pool("b", &[&both])];
        let running = running(pools, workers);
        let (handle, changes) = (running.handle(), running.handle().events());
        let name = both.address.to_string();
        let error = handle.drain(&name).unwrap_err();
        assert!(
            matches!(error, AdminError::UnknownBackend(_)),
            "{name} is in both"
        );
        assert!(handle.drain("c/x").is_err());
        let id = handle.disable(&format!("a/{name}")).unwrap();
        assert_eq!(id.pool(), PoolId::FIRST);
        let change = changes.recv().unwrap();
        assert_eq!((change.backend, change.name), (id, format!("a/{name}")));
        for _ in 0..4 {
            assert_eq!(
                Client::connect(running.addresses()[0]).get("/").text(),
                "other"
            );
            assert_eq!(
                Client::connect(running.addresses()[1]).get("/").text(),
                "both"
            );
        }
        assert!(
            handle.disable(&other.address.to_string()).is_ok(),
            "it is in one pool"
        );
        running.stop().unwrap();
    }
}
