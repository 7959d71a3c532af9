//! Lines as datagrams to a syslog: facility local0, severity informational.
//!
//! A socket of this machine gets the short form of the C library, `<134>lb[PID]: LINE` (RFC 3164,
//! section 4.1, without the time, which the daemon knows); the journal and all daemons take it. A
//! server gets RFC 5424 by UDP (RFC 5426), with the time in UTC and the name of this machine.

use super::BindError;
use super::resolve::look_up;
use crate::config::SyslogAddress;
use crate::telemetry::WallTime;
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::SystemTime;

/// Facility local0 (16) times eight, and severity informational (6): RFC 5424, section 6.2.1.
const PRIORITY: u8 = 16 * 8 + 6;
/// A name where that of this machine is not known: RFC 5424, section 6.2.4.
const NIL: &str = "-";

/// The way to a syslog.
#[derive(Debug)]
pub(super) struct Syslog {
    way: Way,
    time: WallTime,
    datagram: Vec<u8>,
}

#[derive(Debug)]
enum Way {
    /// `None` while the daemon is away.
    Local(PathBuf, Option<UnixDatagram>),
    Udp(UdpSocket, SocketAddr, String),
}

impl Syslog {
    /// Opens the way. A daemon of this machine may be away.
    ///
    /// # Errors
    /// The name of the server cannot be resolved, or there is no room for a socket.
    pub(super) fn open(address: &SyslogAddress) -> Result<Self, BindError> {
        let way = match address {
            SyslogAddress::Unix(path) => Way::Local(path.clone(), connect(path).ok()),
            SyslogAddress::Udp(at) => {
                let found = look_up(at.host(), at.port())?;
                let none = || super::no_events(io::ErrorKind::NotFound.into());
                let to = found.into_iter().next().ok_or_else(none)?;
                let any = match to {
                    SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
                    SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
                };
                let socket = UdpSocket::bind(any).map_err(super::no_events)?;
                Way::Udp(socket, to, machine())
            }
        };
        Ok(Self {
            way,
            time: WallTime::default(),
            datagram: Vec::new(),
        })
    }

    /// Puts the header of the datagram in front of the line.
    fn frame(&mut self, line: &[u8]) {
        let pid = std::process::id();
        self.datagram.clear();
        // Writing into memory does not fail.
        let _ = match &self.way {
            Way::Local(..) => write!(self.datagram, "<{PRIORITY}>lb[{pid}]: "),
            Way::Udp(_, _, machine) => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                let time = self.time.format(since.unwrap_or_default());
                write!(
                    self.datagram,
                    "<{PRIORITY}>1 {time} {machine} lb {pid} access - "
                )
            }
        };
        self.datagram.extend_from_slice(line);
    }

    fn send(&mut self) -> io::Result<()> {
        match &mut self.way {
            // Not connected: what is not received is not told, and no later line fails for it.
            Way::Udp(socket, to, _) => socket.send_to(&self.datagram, *to).map(drop),
            Way::Local(path, socket) => {
                if let Some(known) = socket {
                    match known.send(&self.datagram) {
                        Ok(_) => return Ok(()),
                        // The daemon was started anew, and has another socket at the path.
                        Err(error) if is_away(&error) => *socket = None,
                        Err(error) => return Err(error),
                    }
                }
                let new = connect(path)?;
                new.send(&self.datagram)?;
                *socket = Some(new);
                Ok(())
            }
        }
    }
}

impl Write for Syslog {
    /// Sends one line.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
        let line = bytes.get(..length).unwrap_or_default();
        if !line.is_empty() {
            self.frame(line);
            self.send()?;
        }
        Ok(bytes.len().min(length + 1))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn connect(path: &PathBuf) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(socket)
}

fn is_away(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotConnected, NotFound};
    matches!(
        error.kind(),
        ConnectionRefused | ConnectionReset | NotConnected | NotFound | BrokenPipe
    )
}

/// The name of this machine, if it is one that a header may hold: printable, without spaces.
fn machine() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    let fits =
        !name.is_empty() && name.len() <= 255 && name.bytes().all(|it| it.is_ascii_graphic());
    if fits { name } else { NIL }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_is_started_anew_is_found_again() {
        let path = std::env::temp_dir().join(format!("lb-{}-syslog", std::process::id()));
        let mut syslog = Syslog::open(&SyslogAddress::Unix(path.clone())).unwrap();
        assert!(syslog.write(b"lost\n").is_err(), "nothing is there");
        let mut buffer = [0; 256];
        for text in ["one\ntwo\n", "three\nfour\n"] {
            let daemon = UnixDatagram::bind(&path).unwrap();
            syslog.write_all(text.as_bytes()).unwrap();
            for line in text.lines() {
                let count = daemon.recv(&mut buffer).unwrap();
                let pid = std::process::id();
                let expected = format!("<134>lb[{pid}]: {line}");
                assert_eq!(buffer[..count], *expected.as_bytes());
            }
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_server_gets_the_time_and_the_name_of_this_machine() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = server.local_addr().unwrap().to_string().parse().unwrap();
        let mut syslog = Syslog::open(&SyslogAddress::Udp(at)).unwrap();
        syslog.write_all(b"status=200\n").unwrap();
        let mut buffer = [0; 256];
        let count = server.recv(&mut buffer).unwrap();
        let text = String::from_utf8(buffer[..count].to_vec()).unwrap();
        let words: Vec<_> = text.split(' ').collect();
        let [version, time, machine, name, _, kind, data, line] = words.as_slice() else {
            panic!("{text}");
        };
        assert_eq!(*version, "<134>1");
        assert!(time.ends_with('Z') && time.len() == 24, "{time}");
        assert!(!machine.is_empty());
        assert_eq!(
            [*name, *kind, *data, *line],
            ["lb", "access", "-", "status=200"]
        );
    }
}
