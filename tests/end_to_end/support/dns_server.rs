//! A DNS server that says what a test wants, by UDP and TCP on one port of this machine.

use simple_dns::rdata::{A, AAAA, RData, SRV};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How the server treats questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It says what it knows.
    Honest,
    Silent,
    Failing(RCODE),
    /// It says that there is no record.
    Empty,
    /// It sends made up replies: with a wrong id, with a wrong question, and from another port.
    Lying,
    /// It lies first, and then says what it knows.
    Noisy,
    /// It takes so long.
    Late(Duration),
}

struct Known {
    manner: Manner,
    ttl: u32,
    records: HashMap<String, Vec<RData<'static>>>,
}

/// The server; it ends with its value.
pub(crate) struct DnsServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    known: Mutex<Known>,
    by_udp: AtomicUsize,
    by_tcp: AtomicUsize,
    is_over: AtomicBool,
}

impl DnsServer {
    /// A server whose records are valid for one second.
    pub(crate) fn start() -> Self {
        // A port that is free for both.
        let (udp, tcp) = (0..100)
            .find_map(|_| {
                let udp = UdpSocket::bind("127.0.0.1:0").ok()?;
                let tcp = TcpListener::bind(udp.local_addr().ok()?).ok()?;
                Some((udp, tcp))
            })
            .expect("a free port");
        let address = udp.local_addr().expect("an address");
        udp.set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a timeout");
        let shared = Arc::new(Shared {
            known: Mutex::new(Known {
                manner: Manner::Honest,
                ttl: 1,
                records: HashMap::new(),
            }),
            by_udp: AtomicUsize::new(0),
            by_tcp: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.serve_udp(&udp)
        });
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in tcp.incoming().flatten() {
                    if shared.is_over.load(SeqCst) {
                        return;
                    }
                    shared.by_tcp.fetch_add(1, SeqCst);
                    let _ = shared.serve_tcp(stream);
                }
            }
        });
        Self { address, shared }
    }

    /// Has a name these addresses from now on.
    pub(crate) fn set(&self, name: &str, addresses: &[&str]) {
        let data = addresses.iter().map(|text| match text.parse().unwrap() {
            IpAddr::V4(ip) => RData::A(A::from(ip)),
            IpAddr::V6(ip) => RData::AAAA(AAAA::from(ip)),
        });
        self.set_records(name, data.collect());
    }

    /// Has a service these hosts: priority, weight, port and name.
    pub(crate) fn set_service(&self, name: &str, hosts: &[(u16, u16, u16, &'static str)]) {
        let data = hosts.iter().map(|(priority, weight, port, target)| {
            RData::SRV(SRV {
                priority: *priority,
                weight: *weight,
                port: *port,
                target: Name::new_unchecked(target),
            })
        });
        self.set_records(name, data.collect());
    }

    fn set_records(&self, name: &str, data: Vec<RData<'static>>) {
        let mut known = self.shared.known.lock().unwrap();
        known.records.insert(name.to_owned(), data);
    }

    pub(crate) fn behave(&self, manner: Manner) {
        self.shared.known.lock().unwrap().manner = manner;
    }

    /// Questions that came by UDP.
    pub(crate) fn asked(&self) -> usize {
        self.shared.by_udp.load(SeqCst)
    }

    /// Connections.
    pub(crate) fn asked_by_tcp(&self) -> usize {
        self.shared.by_tcp.load(SeqCst)
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve_udp(&self, socket: &UdpSocket) {
        let mut buffer = [0; 4096];
        while !self.is_over.load(SeqCst) {
            let Ok((count, from)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            self.by_udp.fetch_add(1, SeqCst);
            let query = &buffer[..count];
            let manner = self.known.lock().unwrap().manner;
            if let Manner::Late(time) = manner {
                thread::sleep(time);
            }
            if matches!(manner, Manner::Lying | Manner::Noisy) {
                lie(query, socket, from);
            }
            if let Some(reply) = self.reply(query, 512) {
                let _ = socket.send_to(&reply, from);
            }
        }
    }

    fn serve_tcp(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query)?;
        let Some(reply) = self.reply(&query, usize::from(u16::MAX)) else {
            return Ok(());
        };
        // In pieces, as a network brings it.
        let whole = [&(reply.len() as u16).to_be_bytes(), reply.as_slice()].concat();
        for piece in whole.chunks(100) {
            stream.write_all(piece)?;
            stream.flush()?;
        }
        Ok(())
    }

    /// The reply, of at most so many bytes.
    fn reply(&self, query: &[u8], max: usize) -> Option<Vec<u8>> {
        let known = self.known.lock().unwrap();
        let asked = Packet::parse(query).ok()?;
        let question = asked.questions.first()?;
        let mut packet = Packet::new_reply(asked.id());
        packet.questions.clone_from(&asked.questions);
        match known.manner {
            Manner::Silent | Manner::Lying => return None,
            Manner::Failing(code) => *packet.rcode_mut() = code,
            Manner::Empty => {}
            Manner::Honest | Manner::Noisy | Manner::Late(_) => {
                match known.records.get(&question.qname.to_string()) {
                    None => *packet.rcode_mut() = RCODE::NameError,
                    Some(all) => {
                        let is_kind =
                            |data: &&RData<'_>| QTYPE::TYPE(data.type_code()) == question.qtype;
                        let records = all.iter().filter(is_kind).map(|data| {
                            let name = question.qname.clone();
                            ResourceRecord::new(name, CLASS::IN, known.ttl, data.clone())
                        });
                        packet.answers = records.collect();
                    }
                }
            }
        }
        let whole = packet.build_bytes_vec().ok()?;
        if whole.len() <= max {
            return Some(whole);
        }
        packet.answers.clear();
        packet.set_flags(PacketFlag::TRUNCATION);
        packet.build_bytes_vec().ok()
    }
}

/// Sends three made up replies, each of which names another address.
fn lie(query: &[u8], socket: &UdpSocket, to: SocketAddr) {
    let asked = Packet::parse(query).unwrap();
    let made_up = |id: u16, name: Name<'static>| {
        let mut packet = Packet::new_reply(id);
        packet.questions.clone_from(&asked.questions);
        packet.questions[0].qname = name.clone();
        let data = RData::A(A::from(std::net::Ipv4Addr::new(127, 6, 6, 6)));
        packet.answers = vec![ResourceRecord::new(name, CLASS::IN, 3600, data)];
        packet.build_bytes_vec().unwrap()
    };
    let own = asked.questions[0].qname.clone().into_owned();
    let wrong_id = made_up(asked.id().wrapping_add(1), own.clone());
    let wrong_question = made_up(asked.id(), Name::new_unchecked("evil.example"));
    let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    let _ = socket.send_to(&wrong_id, to);
    let _ = socket.send_to(&wrong_question, to);
    let _ = elsewhere.send_to(&made_up(asked.id(), own), to);
    let _ = socket.send_to(&query[..query.len() / 2], to);
}
