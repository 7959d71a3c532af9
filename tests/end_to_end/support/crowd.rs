//! Many clients at once.

use super::client::Client;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;

/// Several clients of Pi servers send so many requests each at once. Returns the requests served by
/// each server.
pub(crate) fn ask_at_once(
    address: SocketAddr,
    clients: usize,
    requests_each: usize,
) -> BTreeMap<String, usize> {
    let ask = || {
        let mut client = Client::connect(address);
        let ask_once = |_| {
            let answer = client.get("/2");
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.field("x-served-by").expect("a name").to_owned()
        };
        (0..requests_each).map(ask_once).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let asking: Vec<_> = (0..clients).map(|_| scope.spawn(ask)).collect();
        let mut served = BTreeMap::new();
        for client in asking {
            for name in client.join().expect("all were answered") {
                *served.entry(name).or_default() += 1;
            }
        }
        served
    })
}
