//! The library's handle: typed results, ids, and every spelling of an address.

use crate::support::{Backend, Client};
use lb::config::Config;
use lb::strategy::{BackendId, Candidate, Settlement, Strategy};
use lb::time::Timestamp;
use lb::{AdminError, Balancer, Running};
use std::net::SocketAddr;

fn running(backend: SocketAddr) -> Running {
    let mut config = Config::new([backend.to_string().parse().unwrap()]).unwrap();
    config
        .set_listeners(["127.0.0.1:0".parse().unwrap()])
        .unwrap();
    Balancer::bind(&config).unwrap().spawn().unwrap()
}

#[test]
fn a_backend_is_found_by_every_spelling_of_its_address_and_by_id() {
    let backend = Backend::echo();
    let running = running(backend.address);
    let (handle, port) = (running.handle(), backend.address.port());
    let id = handle.drain(&backend.address.to_string()).unwrap();
    for spelling in [port.to_string(), format!("127.0.0.1:{port}")] {
        assert_eq!(handle.undrain(&spelling), Ok(id), "{spelling}");
        assert_eq!(handle.drain(&spelling), Ok(id), "{spelling}");
    }
    assert_eq!(handle.disable(id), Ok(id));
    assert_eq!(handle.enable(id), Ok(id));
    running.stop().unwrap();
}

#[test]
fn a_command_that_changes_nothing_is_an_error() {
    let backend = Backend::echo();
    let running = running(backend.address);
    let (handle, name) = (running.handle(), backend.address.to_string());
    for unknown in ["nobody:1", "", "1", "7001=2", "unix:/nowhere"] {
        let error = handle.drain(unknown).unwrap_err();
        assert!(matches!(error, AdminError::UnknownBackend(_)), "{unknown}");
    }
    for weight in [0, 257, 1_000, u32::MAX] {
        let error = handle.set_weight(&name, weight).unwrap_err();
        assert_eq!(error, AdminError::WeightOutOfRange(weight));
    }
    for weight in [1, 256] {
        assert!(handle.set_weight(&name, weight).is_ok(), "{weight}");
    }
    running.stop().unwrap();
    assert_eq!(handle.drain(&name), Err(AdminError::Ended));
    assert_eq!(handle.set_weight(&name, 1), Err(AdminError::Ended));
    assert!(handle.snapshot().is_none());
    assert!(handle.events().recv().is_err());
}

#[test]
fn a_balancer_that_does_not_run_yet_takes_a_bounded_number_of_commands() {
    let backend = Backend::echo();
    let mut config = Config::new([backend.address.to_string().parse().unwrap()]).unwrap();
    config
        .set_listeners(["127.0.0.1:0".parse().unwrap()])
        .unwrap();
    let balancer = Balancer::bind(&config).unwrap();
    let handle = balancer.handle();
    let subscriptions: Vec<_> = (0..1_000).map(|_| handle.events()).collect();
    assert_eq!(handle.drain("1"), Err(AdminError::Busy));
    // Stopping always gets through.
    handle.stop();
    let running = balancer.spawn().unwrap();
    running.stop().unwrap();
    drop(subscriptions);
}

/// Names a backend that does not exist: of another generation, or beyond the last.
#[derive(Debug)]
struct Erring(BackendId);

impl Strategy for Erring {
    fn name(&self) -> &'static str {
        "erring"
    }

    fn pick(&mut self, _: &[Candidate], _: u64, _: Timestamp) -> Option<BackendId> {
        Some(self.0)
    }
}

#[test]
fn a_strategy_that_names_no_backend_costs_a_503_and_not_the_balancer() {
    let backend = Backend::echo();
    for workers in ["1", "2"] {
        for unknown in [
            BackendId::new(0, 7),
            BackendId::new(1, 0),
            BackendId::new(u16::MAX, 0),
        ] {
            let mut config = Config::new([backend.address.to_string().parse().unwrap()]).unwrap();
            config
                .set_listeners(["127.0.0.1:0".parse().unwrap()])
                .unwrap();
            config.workers = workers.parse().unwrap();
            let balancer = Balancer::bind_with(&config, |_| Box::new(Erring(unknown))).unwrap();
            let running = balancer.spawn().unwrap();
            let mut client = Client::connect(running.addresses()[0]);
            for _ in 0..3 {
                assert_eq!(client.get("/").status, 503, "{unknown:?}");
            }
            let snapshot = running.stop().unwrap().snapshot;
            assert_eq!(snapshot.totals.exchanges, 3);
            let in_flight: u32 = snapshot.backends.iter().map(|b| b.in_flight).sum();
            assert_eq!(in_flight, 0, "nothing leaks");
            let said = lb::telemetry::Summary(&snapshot).to_string();
            assert!(said.contains("invalid_pick"), "{said}");
        }
    }
}

/// A backend that may not be picked is not given exchanges beyond its limit or while it is disabled.
#[test]
fn a_strategy_that_names_a_disabled_backend_costs_a_503() {
    let [first, second] = [Backend::echo(), Backend::echo()];
    let backends = [&first, &second].map(|backend| backend.address.to_string().parse().unwrap());
    let mut config = Config::new(backends).unwrap();
    config
        .set_listeners(["127.0.0.1:0".parse().unwrap()])
        .unwrap();
    let strategy = |_| -> Box<dyn Strategy> { Box::new(Erring(BackendId::new(0, 0))) };
    let running = Balancer::bind_with(&config, strategy)
        .unwrap()
        .spawn()
        .unwrap();
    let mut client = Client::connect(running.addresses()[0]);
    assert_eq!(client.get("/").status, 200);
    running.handle().disable(BackendId::new(0, 0)).unwrap();
    assert_eq!(client.get("/").status, 503);
    running.handle().enable(BackendId::new(0, 0)).unwrap();
    assert_eq!(client.get("/").status, 200);
    running.stop().unwrap();
}

/// Panics in one method and serves in the others.
struct Panicking {
    method: &'static str,
    backend: BackendId,
}

impl Panicking {
    fn enter(&self, method: &str) {
        assert_ne!(method, self.method, "the panic that is tested");
    }
}

impl Strategy for Panicking {
    fn name(&self) -> &'static str {
        "panicking"
    }

    fn pick(&mut self, _: &[Candidate], _: u64, _: Timestamp) -> Option<BackendId> {
        self.enter("pick");
        Some(self.backend)
    }

    fn settled(&mut self, _: &[Candidate], _: &Settlement, _: Timestamp) {
        self.enter("settled");
    }

    fn changed(&mut self, _: &[Candidate], _: Timestamp) {
        self.enter("changed");
    }

    fn refreshed(&mut self, _: &[Candidate]) {
        self.enter("refreshed");
    }
}

#[test]
fn panicking_strategy_costs_a_503_and_not_the_balancer() {
    for (method, status) in [
        ("pick", 503),
        ("settled", 200),
        ("changed", 200),
        ("refreshed", 200),
    ] {
        for workers in ["1", "2"] {
            let backend = Backend::echo();
            let mut config = Config::new([backend.address.to_string().parse().unwrap()]).unwrap();
            config
                .set_listeners(["127.0.0.1:0".parse().unwrap()])
                .unwrap();
            config.workers = workers.parse().unwrap();
            let backend = BackendId::new(0, 0);
            let strategy = |_| -> Box<dyn Strategy> { Box::new(Panicking { method, backend }) };
            let running = Balancer::bind_with(&config, strategy)
                .unwrap()
                .spawn()
                .unwrap();
            let mut client = Client::connect(running.addresses()[0]);
            for _ in 0..3 {
                assert_eq!(client.get("/").status, status, "{method}");
            }
            running.handle().set_weight(backend, 7).unwrap();
            assert_eq!(client.get("/").status, status, "{method}");
            let snapshot = running.stop().unwrap().snapshot;
            assert_eq!(snapshot.totals.exchanges, 4, "{method}");
            let in_flight: u32 = snapshot.backends.iter().map(|b| b.in_flight).sum();
            assert_eq!(in_flight, 0, "{method}: nothing leaks");
        }
    }
}
