//! Constant GETs through lb: all that fail are counted and kept for the message.

use super::support::request;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    served: AtomicUsize,
    lost: Mutex<Vec<String>>,
    /// When each answer came, and how long it took.
    took: Mutex<Vec<(Instant, Duration)>>,
}

/// Clients that ask for one page, each again and again with a pause.
pub(crate) struct Traffic {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
    address: String,
    path: String,
    pause: Duration,
}

impl Traffic {
    pub(crate) fn start(address: &str, path: &str, clients: usize, pause: Duration) -> Self {
        let mut traffic = Self {
            shared: Arc::default(),
            clients: Vec::new(),
            address: address.to_owned(),
            path: path.to_owned(),
            pause,
        };
        traffic.add(clients);
        traffic
    }

    pub(crate) fn add(&mut self, clients: usize) {
        for _ in 0..clients {
            let shared = Arc::clone(&self.shared);
            let (address, path) = (self.address.clone(), self.path.clone());
            let pause = self.pause;
            self.clients.push(thread::spawn(move || {
                while !shared.stop.load(Ordering::Relaxed) {
                    shared.ask(&address, &path);
                    thread::sleep(pause);
                }
            }));
        }
    }

    pub(crate) fn served(&self) -> usize {
        self.shared.served.load(Ordering::Relaxed)
    }

    /// Fails with what went wrong if any request was lost.
    pub(crate) fn assert_none_lost(&self) {
        let lost = self.shared.lost.lock().unwrap();
        let served = self.served();
        assert!(lost.is_empty(), "{} of {served}: {lost:?}", lost.len());
        println!("0 of {served} requests lost");
    }

    pub(crate) fn lost(&self) -> usize {
        self.shared.lost.lock().unwrap().len()
    }

    /// The time in which 99 of 100 answers since `since` came, of those that came up to now.
    pub(crate) fn p99(&self, since: Instant) -> Duration {
        let took = self.shared.took.lock().unwrap();
        let mut recent: Vec<Duration> = took
            .iter()
            .filter(|(at, _)| *at >= since)
            .map(|(_, took)| *took)
            .collect();
        recent.sort();
        recent
            .get(recent.len() * 99 / 100)
            .copied()
            .unwrap_or_default()
    }

    /// Waits until `count` more requests are answered.
    pub(crate) fn wait_for(&self, count: usize) {
        let goal = self.served() + count;
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.served() < goal {
            assert!(Instant::now() < deadline, "no traffic flows");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Shared {
    fn ask(&self, address: &str, path: &str) {
        let began = Instant::now();
        let (status, body) = request(address, "GET", path, "", "");
        if status == 200 {
            self.served.fetch_add(1, Ordering::Relaxed);
            let mut took = self.took.lock().unwrap();
            took.push((Instant::now(), began.elapsed()));
        } else {
            let text = format!("{status} after {:?}: {body}", began.elapsed());
            self.lost.lock().unwrap().push(text);
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            let _ = client.join();
        }
    }
}
