//! Listening sockets that come from another process: from lb itself, which hands its own to the
//! process that takes its place, or from a service manager that has bound them.
//!
//! lb names them in `LB_SOCKETS`, as JSON: each descriptor with the address it was asked for, and
//! the process that hands them over, which must be the parent, so that a variable that was passed
//! on by chance means nothing. A service manager uses `LISTEN_FDS` and `LISTEN_PID` (sd_listen_fds(3));
//! its sockets are told apart by their addresses.
//!
//! There is no safe way to take over a descriptor by its number, hence `unsafe`. What is taken is
//! taken once in the life of the process.

#![allow(unsafe_code)]

use crate::address::{Address, SocketPath};
use rustix::io::{FdFlags, dup, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{getpid, getppid};
use serde::{Deserialize, Serialize};
use socket2::{SockRef, Type};
use std::env;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Names the sockets that lb hands over to its successor.
const VARIABLE: &str = "LB_SOCKETS";
/// Those of a service manager: sd_listen_fds(3), sd_watchdog_enabled(3).
const LISTEN: [&str; 3] = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];
const WATCHDOG_PID: &str = "WATCHDOG_PID";
/// The first descriptor of a service manager.
const LISTEN_START: RawFd = 3;
/// Descriptors of a service manager that are looked at.
const MAX_LISTEN: RawFd = 1024;
/// What a process says when it serves.
const READY: &[u8] = b"ready\n";

/// True once the descriptors that the environment names were taken.
static ARE_TAKEN: AtomicBool = AtomicBool::new(false);

/// Listening sockets of another process, or for one. Those that are not used are closed.
#[derive(Debug, Default)]
pub struct Sockets {
    all: Vec<SharedSocket>,
    /// Where the process that hands them over waits.
    ready: Option<OwnedFd>,
}

/// What comes by a socket: addresses alone do not tell sockets apart that were all asked for at
/// port 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    Clients,
    Admin,
    Heartbeats,
}

/// A listening socket, which other descriptors may share.
#[derive(Debug)]
pub(crate) struct SharedSocket {
    /// What it was asked for, with port 0 for any; `None` if that is not known.
    asked: Option<(Purpose, Address)>,
    descriptor: OwnedFd,
}

#[derive(Debug, Serialize, Deserialize)]
struct Named {
    from: i32,
    ready: Option<RawFd>,
    sockets: Vec<NamedSocket>,
}

#[derive(Debug, Serialize, Deserialize)]
struct NamedSocket {
    fd: RawFd,
    purpose: Option<Purpose>,
    asked: Option<String>,
}

/// Descriptors that a process which is started now inherits; closed here with the value.
#[derive(Debug)]
pub struct Passed(#[allow(dead_code, reason = "it holds them open")] Vec<OwnedFd>);

impl SharedSocket {
    /// Shares a socket that was asked for at an address.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(crate) fn of(socket: &impl AsFd, purpose: Purpose, asked: &Address) -> io::Result<Self> {
        Ok(Self {
            asked: Some((purpose, asked.clone())),
            descriptor: fcntl_dupfd_cloexec(socket, LISTEN_START)?,
        })
    }

    fn local(&self) -> Option<Address> {
        let local = SockRef::from(&self.descriptor).local_addr().ok()?;
        match local.as_socket() {
            Some(tcp) => Some(Address::Tcp(tcp)),
            None => {
                let path = local.as_pathname()?.to_str()?;
                let path = SocketPath::parse(&format!("unix:{path}"))?;
                path.ok().map(Address::Unix)
            }
        }
    }

    fn is(&self, kind: Type, purpose: Purpose, address: &Address) -> bool {
        let is_kind = SockRef::from(&self.descriptor).r#type().ok() == Some(kind);
        let is_there = match &self.asked {
            Some((of, asked)) => *of == purpose && asked == address,
            None => self.local().as_ref() == Some(address),
        };
        is_kind && is_there
    }
}

impl Sockets {
    /// None.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            all: Vec::new(),
            ready: None,
        }
    }

    /// Those of these sockets.
    pub(crate) const fn of(all: Vec<SharedSocket>) -> Self {
        Self { all, ready: None }
    }

    /// Takes over what the environment of this process names: once; there are none the next time.
    ///
    /// # Errors
    /// It names descriptors that are not open.
    pub fn from_environment() -> io::Result<Self> {
        if ARE_TAKEN.swap(true, SeqCst) {
            return Ok(Self::none());
        }
        let mut sockets = Self::none();
        if let Some(named) = named() {
            sockets.ready = named.ready.map(adopt).transpose()?;
            for socket in named.sockets {
                let asked = socket.asked.as_deref().and_then(parse);
                sockets.all.push(SharedSocket {
                    asked: socket.purpose.zip(asked),
                    descriptor: adopt(socket.fd)?,
                });
            }
        }
        for number in 0..activated() {
            sockets.all.push(SharedSocket {
                asked: None,
                descriptor: adopt(LISTEN_START + number)?,
            });
        }
        Ok(sockets)
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The addresses of those that were not used.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let local = |socket: &SharedSocket| socket.local().map(|it| it.to_string());
        let known = self.all.iter().map(local);
        known
            .map(|address| address.unwrap_or_else(|| "of no address".to_owned()))
            .collect()
    }

    /// Takes those that listen to connections at an address: all of one, where several were asked
    /// for at port 0 and so are at ports of their own.
    pub(crate) fn take_listening(&mut self, purpose: Purpose, address: &Address) -> Vec<OwnedFd> {
        self.take(Type::STREAM, purpose, address)
    }

    /// Takes one that takes datagrams at an address.
    pub(crate) fn take_datagrams(&mut self, purpose: Purpose, at: &Address) -> Option<OwnedFd> {
        self.take(Type::DGRAM, purpose, at).into_iter().next()
    }

    fn take(&mut self, kind: Type, purpose: Purpose, address: &Address) -> Vec<OwnedFd> {
        let fits = |socket: &SharedSocket| socket.is(kind, purpose, address);
        let Some(first) = self.all.iter().find(|it| fits(it)) else {
            return Vec::new();
        };
        let at = first.local();
        let all = std::mem::take(&mut self.all);
        let (taken, rest): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|socket| fits(socket) && socket.local() == at);
        self.all = rest;
        taken.into_iter().map(|socket| socket.descriptor).collect()
    }

    /// Has a process that is started by `command` inherit them, and `ready`, on which it says that
    /// it serves. They are inherited as long as the result is kept.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn pass_to(&self, command: &mut Command, ready: &impl AsFd) -> io::Result<Passed> {
        // What dup(2) makes is not closed by exec.
        let ready = dup(ready)?;
        let mut passed = Vec::new();
        let mut sockets = Vec::new();
        for socket in &self.all {
            let descriptor = dup(&socket.descriptor)?;
            sockets.push(NamedSocket {
                fd: descriptor.as_raw_fd(),
                purpose: socket.asked.as_ref().map(|(purpose, _)| *purpose),
                asked: socket.asked.as_ref().map(|(_, at)| at.to_string()),
            });
            passed.push(descriptor);
        }
        let named = Named {
            from: getpid().as_raw_nonzero().get(),
            ready: Some(ready.as_raw_fd()),
            sockets,
        };
        command.env(VARIABLE, serde_json::to_string(&named)?);
        for name in LISTEN.iter().chain([&WATCHDOG_PID]) {
            command.env_remove(name);
        }
        passed.push(ready);
        Ok(Passed(passed))
    }

    /// Says that this process serves, to the one that handed them over, if one waits. It stops then.
    ///
    /// # Errors
    /// It has gone.
    pub fn say_ready(&mut self) -> io::Result<bool> {
        match self.ready.take() {
            None => Ok(false),
            Some(ready) => {
                std::fs::File::from(ready).write_all(READY)?;
                Ok(true)
            }
        }
    }

    /// Whether bytes that were read from the other end say that the process serves.
    #[must_use]
    pub fn is_ready(said: &[u8]) -> bool {
        said == READY
    }
}

/// What the parent process has named.
fn named() -> Option<Named> {
    let text = env::var(VARIABLE).ok()?;
    let named: Named = serde_json::from_str(&text).ok()?;
    let parent = getppid()?.as_raw_nonzero().get();
    (named.from == parent).then_some(named)
}

/// How many sockets a service manager has bound for this process.
fn activated() -> RawFd {
    let number = |name| env::var(name).ok()?.parse::<i32>().ok();
    let [count, pid, _] = LISTEN;
    let is_ours = number(pid) == Some(getpid().as_raw_nonzero().get());
    number(count)
        .filter(|_| is_ours)
        .map_or(0, |count| count.clamp(0, MAX_LISTEN))
}

fn parse(asked: &str) -> Option<Address> {
    match SocketPath::parse(asked) {
        Some(path) => path.ok().map(Address::Unix),
        None => asked.parse().ok().map(Address::Tcp),
    }
}

/// Makes a descriptor that was inherited this process's own, which further processes do not
/// inherit.
fn adopt(raw: RawFd) -> io::Result<OwnedFd> {
    if raw < LISTEN_START {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: it is borrowed for one call, which fails if it is not open.
    let inherited = unsafe { BorrowedFd::borrow_raw(raw) };
    fcntl_setfd(inherited, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, and no other part of this process knows its number: whoever started the
    // process has named it, and `ARE_TAKEN` has it taken once.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn sockets_are_found_by_kind_and_address() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let bound = Address::Tcp(tcp.local_addr().unwrap());
        let udp = UdpSocket::bind(tcp.local_addr().unwrap()).unwrap();
        let any: Address = Address::Tcp("127.0.0.1:0".parse().unwrap());
        let activated = |descriptor: OwnedFd| SharedSocket {
            asked: None,
            descriptor,
        };
        let mut sockets = Sockets::of(vec![
            SharedSocket::of(&tcp, Purpose::Clients, &any).unwrap(),
            activated(tcp.into()),
            activated(udp.into()),
        ]);
        assert_eq!(sockets.len(), 3);
        assert!(sockets.take_listening(Purpose::Admin, &any).is_empty());
        assert_eq!(sockets.take_listening(Purpose::Clients, &any).len(), 1);
        assert!(sockets.take_datagrams(Purpose::Clients, &any).is_none());
        assert_eq!(sockets.addresses(), [bound.to_string(), bound.to_string()]);
        assert_eq!(sockets.take_listening(Purpose::Admin, &bound).len(), 1);
        let datagrams = sockets.take_datagrams(Purpose::Heartbeats, &bound);
        assert!(datagrams.is_some());
        assert!(sockets.is_empty());
    }

    #[test]
    fn sockets_that_were_asked_for_at_any_port_stay_apart() {
        let any: Address = Address::Tcp("127.0.0.1:0".parse().unwrap());
        let bound: Vec<_> = (0..2)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        // As two workers share two listeners each.
        let of_workers = (0..2).flat_map(|_| &bound);
        let all = of_workers.map(|it| SharedSocket::of(it, Purpose::Clients, &any).unwrap());
        let mut sockets = Sockets::of(all.collect());
        for listener in &bound {
            let taken = sockets.take_listening(Purpose::Clients, &any);
            assert_eq!(taken.len(), 2);
            for socket in taken {
                let at = TcpListener::from(socket).local_addr().unwrap();
                assert_eq!(at, listener.local_addr().unwrap());
            }
        }
        assert!(sockets.take_listening(Purpose::Clients, &any).is_empty());
    }

    #[test]
    fn what_is_not_inherited_is_not_adopted() {
        assert!(adopt(-1).is_err() && adopt(0).is_err());
        assert!(adopt(1_000_000).is_err());
    }
}
