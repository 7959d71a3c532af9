use super::*;
use crate::heartbeat::SenderName;
use std::io::Read as _;
use std::net::{TcpListener, UdpSocket};
use std::sync::Mutex;
use std::thread;

const DEADLINE: Duration = Duration::from_secs(10);

/// Runs a sender with a heartbeat a minute to a name that moves from `old` to `new` once `old` has
/// heard, until `new` has.
fn moves(by_tcp: bool, [old, new]: [SocketAddr; 2], hears: [&mut dyn FnMut(); 2]) {
    let name = SenderName::new("web1").unwrap();
    let target = "balancer.example:7000".parse().unwrap();
    let mut config = SenderConfig::new(name, [target]).unwrap();
    config.by_tcp = by_tcp;
    config.set_interval(Duration::from_secs(60)).unwrap();
    let place = Arc::new(Mutex::new(old));
    let resolve = {
        let place = Arc::clone(&place);
        move |_: &HostPort| Ok(vec![*place.lock().unwrap()])
    };
    let interval = Duration::from_millis(20);
    let sender = HeartbeatSender::with_resolution(config, interval, resolve).unwrap();
    let handle = sender.handle();
    let running = thread::spawn(move || sender.run(Vitals::default, |_| {}));
    let [hears_old, hears_new] = hears;
    hears_old();
    *place.lock().unwrap() = new;
    hears_new();
    handle.stop();
    assert!(running.join().unwrap().unwrap(), "it is reached");
}

#[test]
fn a_balancer_that_moved_hears_by_udp() {
    let [old, new] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let addresses = [&old, &new].map(|socket| socket.local_addr().unwrap());
    let hear = |socket: &UdpSocket| {
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut message = [0; 512];
        let count = socket.recv(&mut message).expect("a heartbeat");
        Heartbeat::decode(&message[..count], None).expect("a sound one");
    };
    moves(false, addresses, [&mut || hear(&old), &mut || hear(&new)]);
}

#[test]
fn a_balancer_that_moved_hears_by_tcp() {
    let [old, new] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = [&old, &new].map(|listener| listener.local_addr().unwrap());
    let hear = |listener: &TcpListener| {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut message).unwrap();
        Heartbeat::decode(&message, None).expect("a sound one");
        stream
    };
    let mut kept = Vec::new();
    let mut kept_too = Vec::new();
    moves(
        true,
        addresses,
        [&mut || kept.push(hear(&old)), &mut || {
            kept_too.push(hear(&new))
        }],
    );
}

#[test]
fn names_are_resolved_often_enough() {
    assert!(RESOLVE_INTERVAL * 2 < DEADLINE);
}
