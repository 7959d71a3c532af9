//! The whole: a controller that starts the real lb and the servers behind it, under traffic.

use super::support::{Fleet, built, port_block, request, signal_to, web};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Clients that ask for pages through lb, one after another.
struct Traffic {
    stop: AtomicBool,
    served: AtomicUsize,
    lost: AtomicUsize,
}

impl Traffic {
    fn ask(&self, address: &str) {
        while !self.stop.load(Ordering::Relaxed) {
            let counter = match request(address, "GET", "/20", "", "").0 {
                200 => &self.served,
                _ => &self.lost,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn counts(&self) -> (usize, usize) {
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        (count(&self.served), count(&self.lost))
    }
}

/// Ends the clients, also when an assertion fails.
struct StopAtEnd<'a>(&'a Traffic);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

fn lb(listen: &str, port: u16) -> String {
    let (lb, pi) = (built("lb").display().to_string(), built("pi-backend"));
    assert!(pi.is_file());
    format!(
        "[service.lb]\ncommand = [{lb:?}, \"--listen\", {listen:?}, \"--admin\", \"{{host}}:{{port}}\", \
         \"--state\", \"lb.state\"]\ndirectory = \".\"\nports = \"{port}\"\ncheck = \"/healthz\"\n\
         singleton = true\n"
    )
}

#[test]
fn deaths_of_servers_controller_and_lb_lose_no_more_than_they_must() {
    let port = port_block();
    let (listen, admin) = (
        format!("127.0.0.1:{port}"),
        format!("127.0.0.1:{}", port + 1),
    );
    let services = lb(&listen, port + 1) + &web(port_block(), "desired = 3, max = 5", "");
    let mut fleet = Fleet::start_behind("real", Some(admin.clone()), "", &services);
    fleet.wait(60, "lb and three servers serve", |it| it.serving() == 4);
    let healthy = || {
        let (_, text) = request(&admin, "GET", "/v1/pools/default", "", "");
        let pool: Value = serde_json::from_str(&text).unwrap_or_default();
        let backends = pool["backends"].as_array().cloned().unwrap_or_default();
        let open = |it: &&Value| matches!(it["state"].as_str(), Some("healthy" | "slow-start"));
        backends.iter().filter(open).count()
    };
    let traffic = Traffic {
        stop: AtomicBool::new(false),
        served: AtomicUsize::new(0),
        lost: AtomicUsize::new(0),
    };
    thread::scope(|scope| {
        let _stop = StopAtEnd(&traffic);
        for _ in 0..4 {
            scope.spawn(|| traffic.ask(&listen));
        }
        fleet.wait(30, "traffic flows to three", |_| healthy() == 3);

        // A server dies: its requests are retried elsewhere, and it is launched again.
        let pid_of = |service: &str, fleet: &Fleet| {
            let of = |it: &&(String, u32)| it.0.contains(service);
            fleet.pids().iter().find(of).cloned().expect("serves")
        };
        let killed = pid_of("-web-", &fleet);
        signal_to(killed.1, "-KILL");
        fleet.wait(30, "replaced", |it| {
            it.serving() == 4 && !it.pids().contains(&killed) && healthy() == 3
        });

        // The controller dies: nothing notices.
        let before = (fleet.pids(), fleet.launches());
        fleet.kill_controller();
        let (served, _) = traffic.counts();
        let deadline = Instant::now() + Duration::from_secs(30);
        while traffic.counts().0 < served + 50 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(traffic.counts().0 >= served + 50, "traffic flows on");
        fleet.run();
        fleet.wait(30, "all serve", |it| it.serving() == 4);
        assert_eq!((fleet.pids(), fleet.launches()), before);
        assert_eq!(traffic.counts().1, 0, "no request is lost");

        // lb dies: it is started again with the set that it kept, and the servers stay.
        let lb = pid_of("-lb-", &fleet);
        signal_to(lb.1, "-KILL");
        fleet.wait(30, "lb is replaced and has its servers", |it| {
            !it.pids().contains(&lb) && it.serving() == 4 && healthy() == 3
        });
        let (served, _) = traffic.counts();
        fleet.wait(30, "traffic flows again", |_| {
            traffic.counts().0 > served + 50
        });
        let servers = |pids: &[(String, u32)]| -> Vec<_> {
            pids.iter()
                .filter(|it| it.0.contains("-web-"))
                .cloned()
                .collect()
        };
        assert_eq!(servers(&fleet.pids()), servers(&before.0));
    });
}
