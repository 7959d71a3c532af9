//! Finds the process that listens on a port, for the message that it is taken. Linux only, and only
//! for processes whose descriptors may be seen; everywhere else there is no answer.

use std::fs;
use std::path::Path;

/// The state `LISTEN` in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// Name and id of the process that listens on a TCP port.
pub(super) fn find(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| inode_of(&table, port))?;
    let link = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|process| {
        // Others are links to processes that have a number too, or no processes.
        let _: u32 = process.file_name().to_str()?.parse().ok()?;
        let folder = process.path();
        has_descriptor(&folder, &link).then(|| {
            let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
            format!(
                "{} (process {})",
                name.trim(),
                process.file_name().display()
            )
        })
    })
}

/// The inode of the socket that listens on a port, from the table of the kernel.
fn inode_of(table: &str, port: u16) -> Option<String> {
    let suffix = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (local, state) = (fields.nth(1)?, fields.nth(1)?);
        let inode = fields.nth(5)?;
        (local.ends_with(&suffix) && state == LISTEN).then(|| inode.to_owned())
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
mod tests {
    use super::*;

    #[test]
    fn the_inode_of_a_listening_port_is_found() {
        let table = "sl local_address rem_address st tx_queue rx_queue tr retr uid timeout inode\n\
            0: 0100007F:1388 00000000:0000 01 00000000:00000000 00:00000000 00000000 0 0 7 1\n\
            1: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4242 1\n";
        assert_eq!(inode_of(table, 5000).as_deref(), Some("4242"));
        assert_eq!(inode_of(table, 5001), None);
    }
}
