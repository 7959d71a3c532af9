//! Upgrades, and what a service manager sees of lb: sockets that are inherited, notices.

#![allow(
    clippy::disallowed_types,
    reason = "it stands in for a service manager, which binds sockets itself"
)]

use crate::support::{Admin, Backend, Client, Lb, TempFile, Wire, listens, until};
use rustix::fs::OFlags;
use rustix::io::dup;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A backend that serves requests, and switches a connection to a tunnel that echoes.
fn serving() -> Backend {
    Backend::start(|mut wire: Wire, _| {
        while let Some(request) = wire.read_request() {
            if request.start.contains("/tunnel") {
                wire.send(
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
                );
                let mut bytes = [0; 64];
                while let Ok(count) = wire.read(&mut bytes) {
                    wire.send(&bytes[..count]);
                }
                return;
            }
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    })
}

/// The number in a PID file.
fn pid_in(file: &TempFile) -> Option<Pid> {
    Pid::from_raw(fs::read_to_string(file.path()).ok()?.trim().parse().ok()?)
}

/// A process that the test did not start itself; it is killed with the value.
struct Successor(Pid);

impl Successor {
    fn terminate(self) {
        kill_process(self.0, Signal::TERM).expect("it runs");
        until("the successor ends", || {
            // One that nobody waits for stays as a name alone.
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.0));
            stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
        });
        std::mem::forget(self);
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

/// Waits until another process has written the file.
fn successor(file: &TempFile, before: Pid) -> Successor {
    let next = || pid_in(file).filter(|pid| *pid != before);
    until("another process serves", || next().is_some());
    Successor(next().expect("it has written its number"))
}

/// A path for a socket.
fn socket_path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("lb-{}-{name}.sock", std::process::id()))
}

#[test]
fn another_process_takes_over_without_a_refused_connection_or_a_cut_one() {
    for workers in [1, 2] {
        let backend = serving();
        let path = socket_path(&format!("upgrade-{workers}"));
        let pid_file = TempFile::new("upgrade-pid", "");
        let config = format!(
            "workers = {workers}\nadmin = \"127.0.0.1:0\"\nheartbeat-listen = \"127.0.0.1:0\"\n\
             [[listener]]\nlisten = [\"127.0.0.1:0\", \"unix:{}\"]\n\
             [pool.web]\nhealth = \"none\"\nbackends = [\"{}\"]\n",
            path.display(),
            backend.address
        );
        let file = TempFile::new("upgrade", &config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
        let flags = ["--config", file.path(), "--pid-file", pid_file.path()];
        let mut lb = Lb::spawn(command.args(flags).stdout(Stdio::null()));
        let admin = Admin::of(&lb);
        let first = pid_in(&pid_file).expect("a number");
        let mut kept = lb.connect();
        assert_eq!(kept.get("/").status, 200);
        let mut tunnel = lb.connect().into_wire();
        tunnel.send("GET /tunnel HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
        tunnel.read_through(b"\r\n\r\n").expect("a head");
        let boot = admin.get("/v1/pools/web").body["boot_id"].clone();

        let sent = Lb::run(&["upgrade", "--pid-file", pid_file.path()]);
        assert_eq!(sent.status.code(), Some(0), "{sent:?}");
        // Every request is served, whichever of the two has it.
        let next = || pid_in(&pid_file).is_some_and(|pid| pid != first);
        until("another process serves", || {
            lb.assert_serves();
            next()
        });
        let second = successor(&pid_file, first);
        until("the old one has stopped", || {
            lb.assert_serves();
            lb.stderr().contains("this one finishes what is open")
        });
        until("the other answers for it", || {
            lb.assert_serves();
            let said = admin.get("/v1/pools/web");
            said.status == 200 && said.body["boot_id"] != boot
        });
        // A client that was served a moment ago has its next request served too, as the last.
        let mut bytes = Vec::new();
        tunnel.send("still here");
        tunnel.read_exact(10, &mut bytes).expect("an echo");
        assert_eq!(bytes, b"still here");
        UnixStream::connect(&path).expect("the path is served");
        assert!(!lb.has_ended(), "a tunnel is open");
        drop(tunnel);
        until("it ends when all is finished", || lb.has_ended());
        assert!(path.exists() && pid_in(&pid_file) == Some(second.0));
        lb.assert_serves();

        // And once more.
        kill_process(second.0, Signal::USR2).expect("it runs");
        let third = successor(&pid_file, second.0);
        until("the second ends", || {
            test_kill_process(second.0).is_err() || is_zombie(second.0)
        });
        std::mem::forget(second);
        lb.assert_serves();
        let address = lb.address;
        third.terminate();
        assert!(!listens(address), "nothing holds its socket any more");
        assert!(!path.exists() && pid_in(&pid_file).is_none());
    }
}

#[test]
fn another_number_of_workers_takes_over_all_sockets() {
    for (before, after) in [(3, 1), (1, 3)] {
        let backend = serving();
        let config = |workers: usize| {
            format!(
                "workers = {workers}\nadmin = \"127.0.0.1:0\"\n\
                 [[listener]]\nlisten = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\n\
                 [pool.web]\nhealth = \"none\"\nbackends = [\"{}\"]\n",
                backend.address
            )
        };
        let file = TempFile::new("upgrade-workers", &config(before));
        let pid_file = TempFile::new("upgrade-workers-pid", "");
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
        let flags = ["--config", file.path(), "--pid-file", pid_file.path()];
        let mut lb = Lb::spawn(command.args(flags).stdout(Stdio::null()));
        let admin = Admin::of(&lb);
        let listener = admin.get("/v1/listeners").body["listeners"][0].clone();
        let bound = listener["addresses"].as_array().expect("a list");
        let address = |it: &Value| it["address"].as_str()?.parse::<SocketAddr>().ok();
        let addresses: Vec<_> = bound.iter().filter_map(address).collect();
        assert_eq!(addresses.len(), 2, "{listener}");
        let first = pid_in(&pid_file).expect("a number");
        file.write(&config(after));
        lb.signal(Signal::USR2);
        let is_served = || {
            for address in &addresses {
                assert_eq!(Client::connect(*address).get("/").status, 200);
            }
        };
        until("another process serves", || {
            is_served();
            pid_in(&pid_file).is_some_and(|pid| pid != first)
        });
        let second = successor(&pid_file, first);
        until("the old one ends", || {
            is_served();
            lb.has_ended()
        });
        for _ in 0..20 {
            is_served();
        }
        let workers = admin.get("/v1/workers").body;
        let workers = workers["workers"].as_array().expect("a list");
        assert_eq!(workers.len(), after);
        second.terminate();
    }
}

#[test]
fn a_stop_ends_the_process_that_was_to_take_over() {
    let backend = serving();
    let config = format!(
        "[[listener]]\nlisten = \"127.0.0.1:0\"\n[pool.web]\nhealth = \"none\"\n\
         backends = [\"{}\"]\n",
        backend.address
    );
    let file = TempFile::new("upgrade-stop", &config);
    let pid_file = TempFile::new("upgrade-stop-pid", "");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    let flags = ["--config", file.path(), "--pid-file", pid_file.path()];
    let lb = Lb::spawn(command.args(flags).stdout(Stdio::null()));
    let address = lb.address;
    // The other process waits for its configuration.
    fs::remove_file(file.path()).unwrap();
    let made = Command::new("mkfifo").arg(file.path()).status();
    assert!(made.expect("mkfifo").success());
    lb.signal(Signal::USR2);
    let flag = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
    let open = || {
        OpenOptions::new()
            .write(true)
            .custom_flags(flag)
            .open(file.path())
    };
    until("the other reads", || open().is_ok());
    let mut pipe = open().expect("it reads");
    assert_eq!(lb.terminate().code, Some(0));
    until("the other ends", || pipe.write_all(b"#").is_err());
    assert!(!listens(address) && pid_in(&pid_file).is_none());
}

fn is_zombie(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| stat.contains(") Z "))
}

#[test]
fn a_process_that_cannot_take_over_leaves_the_old_one_as_it_was() {
    let backend = serving();
    let config = |more: &str| {
        format!(
            "[[listener]]\nlisten = \"127.0.0.1:0\"\n[pool.web]\nhealth = \"none\"\n{more}\n\
             backends = [\"{}\"]\n",
            backend.address
        )
    };
    let file = TempFile::new("upgrade-fails", &config(""));
    let pid_file = TempFile::new("upgrade-fails-pid", "");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    let flags = ["--config", file.path(), "--pid-file", pid_file.path()];
    let lb = Lb::spawn(command.args(flags).stdout(Stdio::null()));
    let first = pid_in(&pid_file).expect("a number");
    let mut client = lb.connect();
    file.write(&config("nonsense = 1"));
    for round in 1..=3 {
        lb.signal(Signal::USR2);
        until("it is told", || {
            lb.stderr().matches("lb: upgrade failed: ").count() == round
        });
        assert_eq!(client.get("/").status, 200);
        lb.assert_serves();
    }
    let said = lb.stderr();
    assert!(said.contains("pool.web.nonsense: unknown key"), "{said}");
    assert!(said.contains("ended before it served (exit status: 1); this process goes on"));
    assert_eq!(pid_in(&pid_file), Some(first));
    file.write(&config(""));
    lb.signal(Signal::USR2);
    let second = successor(&pid_file, first);
    let mut lb = lb;
    drop(client);
    until("the old one ends", || lb.has_ended());
    lb.assert_serves();
    second.terminate();
}

#[test]
fn sockets_of_a_service_manager_are_used() {
    let backend = serving();
    for workers in ["1", "2"] {
        let sockets: Vec<TcpListener> = (0..2)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let addresses: Vec<SocketAddr> =
            sockets.iter().map(|it| it.local_addr().unwrap()).collect();
        // What dup(2) makes is inherited; the shell moves them to where a service manager has them.
        let inherited = [&sockets[0], &sockets[1]].map(|socket| dup(socket).unwrap());
        let [one, two] = inherited.each_ref().map(|it| it.as_raw_fd());
        let script = format!(
            "exec 100<&{one} 101<&{two}; exec 3<&100 4<&101; \
             LISTEN_PID=$$ LISTEN_FDS=2 exec {} --workers {workers} --listen {} --health none \
             --backends {}",
            env!("CARGO_BIN_EXE_lb"),
            addresses[1],
            backend.address
        );
        let mut command = Command::new("bash");
        let lb = Lb::spawn(command.args(["-c", &script]).stdout(Stdio::null()));
        drop((inherited, sockets));
        assert_eq!(lb.address, addresses[1]);
        for _ in 0..8 {
            assert_eq!(Client::connect(addresses[1]).get("/").status, 200);
        }
        let warning = format!("the inherited socket {} is not in the", addresses[0]);
        until("the other is told", || lb.stderr().contains(&warning));
        assert_eq!(lb.terminate().code, Some(0));
    }
}

#[test]
fn a_service_manager_is_told_how_it_is() {
    let backend = serving();
    let path = socket_path("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let next = || {
        let mut bytes = [0; 256];
        let count = manager.recv(&mut bytes).expect("a notice");
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    };
    let is_watchdog = |notice: &String| notice == "WATCHDOG=1\n";
    let next_but_watchdog = || {
        std::iter::repeat_with(next)
            .find(|notice| !is_watchdog(notice))
            .unwrap()
    };
    let config = format!(
        "[[listener]]\nlisten = \"127.0.0.1:0\"\n[pool.web]\nhealth = \"none\"\n\
         backends = [\"{}\"]\n",
        backend.address
    );
    let file = TempFile::new("notify", &config);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command
        .args(["--config", file.path()])
        .stdout(Stdio::null());
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000");
    let lb = Lb::spawn(&mut command);
    let ready = format!("READY=1\nMAINPID={}\n", lb.usage().0);
    assert_eq!(next_but_watchdog(), ready);
    until("it says that it lives", || is_watchdog(&next()));
    lb.signal(Signal::HUP);
    let reloading = next_but_watchdog();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(next_but_watchdog(), ready);
    lb.signal(Signal::TERM);
    assert_eq!(next_but_watchdog(), "STOPPING=1\n");
    assert_eq!(lb.wait().code, Some(0));
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_variable_of_another_process_means_nothing() {
    let backend = serving();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut command = Lb::command(&[backend.address], &[]);
    let named = format!(
        "{{\"from\": 1, \"ready\": null, \"sockets\": [{{\"fd\": {}, \"asked\": null}}]}}",
        udp.as_raw_fd()
    );
    command
        .env("LB_SOCKETS", named)
        .env("LISTEN_PID", "1")
        .env("LISTEN_FDS", "1");
    let lb = Lb::spawn(command.stdout(Stdio::null()));
    lb.assert_serves();
    assert_eq!(lb.terminate().code, Some(0));
}
