//! What Linux says of a TCP port: the process that listens at it, and the connections open at it.
//!
//! Reads the tables of proc_net_tcp(5) and, for the process, the links under `/proc/PID/fd`: only
//! processes whose descriptors may be seen are found. Elsewhere than on Linux there is no answer.

use std::fmt;
use std::fs;
use std::path::Path;

/// The tables of TCP sockets, for IPv4 and IPv6.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];
/// States of a socket in these tables.
const ESTABLISHED: &str = "01";
const LISTEN: &str = "0A";

/// A process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The name of its program, cut by the kernel after 15 bytes.
    pub name: String,
    /// Its process id.
    pub pid: u32,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

/// One row of a table.
#[derive(Debug, PartialEq, Eq)]
struct Row<'a> {
    port: u16,
    state: &'a str,
    inode: &'a str,
}

/// The process that listens on a port, if it can be seen.
#[must_use]
pub fn listener(port: u16) -> Option<Owner> {
    let inode = tables().into_iter().find_map(|table| {
        let mut rows = rows(&table);
        let listens = rows.find(|row| row.port == port && row.state == LISTEN)?;
        Some(listens.inode.to_owned())
    })?;
    let link = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|process| {
        // Others are links to processes that have a number too, or no processes.
        let pid = process.file_name().to_str()?.parse().ok()?;
        let folder = process.path();
        has_descriptor(&folder, &link).then(|| {
            let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
            let name = name.trim().to_owned();
            Owner { name, pid }
        })
    })
}

/// Connections established at a local port. `None`: there is no table to read.
#[must_use]
pub fn connections(port: u16) -> Option<usize> {
    let tables = tables();
    let at_port = |table: &String| {
        rows(table)
            .filter(|row| row.port == port && row.state == ESTABLISHED)
            .count()
    };
    (!tables.is_empty()).then(|| tables.iter().map(at_port).sum())
}

fn tables() -> Vec<String> {
    let read = |table: &&str| fs::read_to_string(table).ok();
    TABLES.iter().filter_map(read).collect()
}

fn rows(table: &str) -> impl Iterator<Item = Row<'_>> {
    table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (local, state) = (fields.nth(1)?, fields.nth(1)?);
        let (_, port) = local.rsplit_once(':')?;
        Some(Row {
            port: u16::from_str_radix(port, 16).ok()?,
            state,
            inode: fields.nth(5)?,
        })
    })
}

fn has_descriptor(process: &Path, link: &str) -> bool {
    fs::read_dir(process.join("fd")).is_ok_and(|descriptors| {
        descriptors.flatten().any(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|to| to == Path::new(link))
        })
    })
}

#[cfg(test)]
#[allow(
    clippy::disallowed_types,
    reason = "a listener of its own is what the tests look for"
)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn rows_are_read_and_lines_that_are_none_are_passed_over() {
        let table = "sl local_address rem_address st tx_queue rx_queue tr retr uid timeout inode\n\
            0: 0100007F:1388 00000000:0000 01 00000000:00000000 00:00000000 00000000 0 0 7 1\n\
            nonsense\n\
            1: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4242 1\n";
        let rows: Vec<Row> = rows(table).collect();
        let row = |state, inode| Row {
            port: 5000,
            state,
            inode,
        };
        assert_eq!(rows, [row(ESTABLISHED, "7"), row(LISTEN, "4242")]);
    }

    #[test]
    fn this_process_is_found_by_its_listener_and_its_connections_are_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        assert_eq!(connections(address.port()), Some(0));
        let owner = super::listener(address.port()).expect("is found");
        assert_eq!(owner.pid, std::process::id());
        let shown = format!("{} (process {})", owner.name, owner.pid);
        assert!(!owner.name.is_empty());
        assert_eq!(owner.to_string(), shown);
        let client = TcpStream::connect(address).expect("connects");
        let server = listener.accept().expect("is accepted");
        assert_eq!(connections(address.port()), Some(1));
        drop((client, server, listener));
        assert_eq!(super::listener(address.port()), None);
    }
}
