//! The library's handle: typed results, ids, and every spelling of an address.

use crate::support::Backend;
use lb::config::Config;
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
