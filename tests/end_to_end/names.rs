//! Backends found by the DNS, from a server that changes its mind, fails, lies, is late and cuts
//! its replies short.

use crate::support::{Admin, Backend, Client, DnsServer, Lb, Manner, Stopwatch, until};
use serde_json::Value;
use simple_dns::RCODE;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

/// A server of requests on every address of this machine.
fn server() -> Backend {
    Backend::echo_at("0.0.0.0:0")
}

fn start(dns: &DnsServer, args: &[&str]) -> (Lb, Admin) {
    let dns = dns.address.to_string();
    let own = ["--nameservers", &dns, "--admin", "127.0.0.1:0"];
    let lb = Lb::start(&[], &[&own, args].concat());
    let admin = Admin::of(&lb);
    (lb, admin)
}

/// The names of the backends that are there to stay, in order.
fn names(admin: Admin) -> Vec<String> {
    let pool = admin.pool();
    let backends = pool["backends"].as_array().expect("backends").iter();
    let stay = backends.filter(|it| it["departing"] != true);
    let mut names: Vec<_> = stay
        .map(|it| it["name"].as_str().expect("a name").to_owned())
        .collect();
    names.sort_unstable();
    names
}

fn at(port: u16, ips: &[&str]) -> Vec<String> {
    ips.iter().map(|ip| format!("{ip}:{port}")).collect()
}

/// Asks all the time while `test` runs: each request is served.
fn under_load(lb: &Lb, test: impl FnOnce()) {
    struct SetOnDrop<'a>(&'a AtomicBool);
    impl Drop for SetOnDrop<'_> {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    let is_over = AtomicBool::new(false);
    let address = lb.address;
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                while !is_over.load(SeqCst) {
                    assert_eq!(client.get("/").status, 200);
                }
            });
        }
        let _over = SetOnDrop(&is_over);
        test();
    });
}

#[test]
fn every_address_of_a_name_is_a_backend() {
    let (dns, server) = (DnsServer::start(), server());
    let port = server.address.port();
    dns.set("web.test", &["127.0.0.2", "127.0.0.3"]);
    let name = format!("web.test:{port}=5/9");
    for workers in ["1", "3"] {
        dns.set("web.test", &["127.0.0.2", "127.0.0.3"]);
        let args = [
            "--discover",
            "all-addresses",
            "--backends",
            &name,
            "--workers",
            workers,
        ];
        let (lb, admin) = start(&dns, &args);
        let two = at(port, &["127.0.0.2", "127.0.0.3"]);
        until("both are there", || names(admin) == two);
        let first = admin.backend(&two[0]);
        assert_eq!(
            (&first["weight"], &first["max_in_flight"]),
            (&5.into(), &9.into())
        );
        assert_eq!(first["owner"], "dns");
        under_load(&lb, || {
            let watch = Stopwatch::start();
            dns.set("web.test", &["127.0.0.4", "127.0.0.3"]);
            until("it follows", || {
                names(admin) == at(port, &["127.0.0.3", "127.0.0.4"])
            });
            eprintln!(
                "followed a change of records of 1 s in {:?}",
                watch.elapsed()
            );
        });
        assert!(!lb.terminate().stderr.contains("cannot be looked up"));
    }
}

#[test]
fn a_resolver_that_fails_takes_no_backend_away() {
    let (dns, server) = (DnsServer::start(), server());
    let port = server.address.port();
    let name = format!("web.test:{port}");
    dns.set("web.test", &["127.0.0.2", "127.0.0.3"]);
    let (lb, admin) = start(&dns, &["--discover", "all-addresses", "--backends", &name]);
    let two = at(port, &["127.0.0.2", "127.0.0.3"]);
    until("both are there", || names(admin) == two);
    under_load(&lb, || {
        for manner in [
            Manner::Failing(RCODE::ServerFailure),
            Manner::Failing(RCODE::NameError),
            Manner::Failing(RCODE::Refused),
            Manner::Empty,
            Manner::Silent,
            Manner::Lying,
        ] {
            let told = lb.stderr().matches("cannot be looked up").count();
            dns.behave(manner);
            let asked = dns.asked();
            until("it is asked and fails", || {
                assert_eq!(names(admin), two, "{manner:?}");
                let now = lb.stderr().matches("cannot be looked up").count();
                dns.asked() >= asked + 2 && now == told + 1
            });
            let recovered = lb.stderr().matches("can be looked up again").count();
            dns.behave(Manner::Honest);
            until("it recovers", || {
                assert_eq!(names(admin), two, "{manner:?}");
                lb.stderr().matches("can be looked up again").count() > recovered
            });
        }
        dns.set("web.test", &["127.0.0.3"]);
        until("it follows again", || {
            names(admin) == at(port, &["127.0.0.3"])
        });
    });
    let said = lb.terminate().stderr;
    assert!(said.contains("web.test cannot be looked up: "), "{said}");
    assert!(said.contains("its addresses are held"), "{said}");
}

#[test]
fn lies_and_late_replies_change_nothing() {
    let (dns, server) = (DnsServer::start(), server());
    let port = server.address.port();
    let name = format!("web.test:{port}");
    for manner in [Manner::Noisy, Manner::Late(Duration::from_millis(200))] {
        dns.set("web.test", &["127.0.0.2"]);
        dns.behave(manner);
        let (_lb, admin) = start(&dns, &["--discover", "all-addresses", "--backends", &name]);
        until("it is there", || names(admin) == at(port, &["127.0.0.2"]));
        let asked = dns.asked();
        dns.set("web.test", &["127.0.0.3"]);
        until("it follows", || {
            let names = names(admin);
            let is_true = |name: &String| !name.starts_with("127.6.6.6");
            assert!(names.iter().all(is_true), "{names:?}");
            names == at(port, &["127.0.0.3"])
        });
        assert!(dns.asked() > asked);
    }
}

#[test]
fn a_long_reply_comes_by_tcp() {
    let (dns, server) = (DnsServer::start(), server());
    let port = server.address.port();
    let all: Vec<_> = (1..=60).map(|n| format!("127.0.1.{n}")).collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    dns.set("web.test", &all);
    let name = format!("web.test:{port}");
    let (_lb, admin) = start(&dns, &["--discover", "all-addresses", "--backends", &name]);
    let mut expected = at(port, &all);
    expected.sort_unstable();
    until("all are there", || names(admin) == expected);
    assert!(dns.asked_by_tcp() > 0);
    // More than 64 are not used, and that is told.
    let more: Vec<_> = (1..=80).map(|n| format!("127.0.1.{n}")).collect();
    dns.set(
        "web.test",
        &more.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    until("64 are there", || names(admin).len() == 64);
    until("it is told", || {
        _lb.stderr().contains("web.test has 80 addresses")
    });
}

#[test]
fn a_service_says_where_its_servers_are_and_their_shares() {
    let (dns, servers) = (DnsServer::start(), [server(), server()]);
    let ports = [0, 1].map(|n: usize| servers[n].address.port());
    let service = "_http._tcp.web.test";
    dns.set("a.test", &["127.0.0.2"]);
    dns.set("b.test", &["127.0.0.3"]);
    dns.set("c.test", &["127.0.0.4"]);
    let [first, second] = ports;
    let hosts = [
        (1, 30, first, "a.test"),
        (1, 10, second, "b.test"),
        (2, 5, first, "c.test"),
    ];
    dns.set_service(service, &hosts);
    let (lb, admin) = start(&dns, &["--srv", service]);
    let expected = || vec![format!("127.0.0.2:{first}"), format!("127.0.0.3:{second}")];
    until("the preferred are there", || names(admin) == expected());
    let weight = |name: &str| admin.backend(name)["weight"].clone();
    assert_eq!(weight(&expected()[0]), 30);
    assert_eq!(weight(&expected()[1]), 10);
    under_load(&lb, || {
        dns.set_service(
            service,
            &[(1, 7, second, "b.test"), (2, 5, first, "c.test")],
        );
        until("one goes, and a weight changes", || {
            names(admin) == [format!("127.0.0.3:{second}")]
                && weight(&format!("127.0.0.3:{second}")) == 7
        });
        dns.set("b.test", &["127.0.0.5"]);
        until("a host moves", || {
            names(admin) == [format!("127.0.0.5:{second}")]
        });
        dns.set_service(service, &[(2, 5, first, "c.test")]);
        until("the others stand in", || {
            names(admin) == [format!("127.0.0.4:{first}")]
        });
    });
}

#[test]
fn a_name_that_is_one_backend_moves_with_its_address() {
    let dns = DnsServer::start();
    let (old, new) = (Backend::echo_at("127.0.0.2:0"), server());
    // The same port, on another address.
    let port = old.address.port();
    drop(new);
    let new = Backend::echo_at(&format!("127.0.0.3:{port}"));
    dns.set("web.test", &["127.0.0.2"]);
    let name = format!("web.test:{port}");
    let (lb, admin) = start(&dns, &["--backends", &name, "--sticky", "lb"]);
    until("it is there", || names(admin) == [name.clone()]);
    let before = admin.backend(&name);
    under_load(&lb, || {
        until("the old one is asked", || old.connections() > 0);
        dns.set("web.test", &["127.0.0.3"]);
        until("the new one is asked", || new.connections() > 0);
        until("the old one is left", || old.open_connections() == 0);
    });
    let after = admin.backend(&name);
    assert_eq!(before["name"], after["name"]);
    assert_eq!(after["errors"], 0, "{after}");
    assert_ne!(after["picks"], Value::Null);
}

#[test]
fn a_name_that_comes_late_joins() {
    let (dns, server) = (DnsServer::start(), server());
    let name = format!("late.test:{}", server.address.port());
    let (lb, admin) = start(&dns, &["--backends", &name]);
    let mut client = lb.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    until("it is told", || {
        let said = lb.stderr();
        said.contains(
            "late.test cannot be looked up: the servers know no such name; it is tried again",
        )
    });
    assert!(names(admin).is_empty());
    dns.set("late.test", &["127.0.0.1"]);
    assert_eq!(client.receive().status, 200);
    assert_eq!(names(admin), [name]);
}
