//! The file of a UNIX socket that is listened on.
//!
//! A process that dies leaves its file behind, and a file in the way cannot be bound. So a socket
//! without a listener is replaced; any other file, and a served socket, is left alone. The file is
//! removed after its listener, unless another process has taken its place by then. Comparing inodes
//! was the other way to tell: they are used again at once.

use crate::config::FileMode;
use mio::net::{UnixListener, UnixStream};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::Permissions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Removes the file when it is dropped. To be dropped after the listener.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

/// Listens on `path`, in place of a dead process's socket if there is one.
/// Its permissions are set before it accepts.
pub(super) fn listen(
    path: &Path,
    backlog: i32,
    mode: Option<FileMode>,
) -> io::Result<(UnixListener, SocketFile)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let address = SockAddr::unix(path)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_dead(path) => {
            fs::remove_file(path)?;
            socket.bind(&address)?;
        }
        other => other?,
    }
    let file = SocketFile(path.to_owned());
    if let Some(mode) = mode {
        fs::set_permissions(path, Permissions::from_mode(mode.bits()))?;
    }
    socket.listen(backlog)?;
    let listener = UnixListener::from_std(OwnedFd::from(socket).into());
    Ok((listener, file))
}

/// Goes on listening on `path` by the socket of another process.
pub(super) fn take_over(path: &Path, inherited: OwnedFd) -> io::Result<(UnixListener, SocketFile)> {
    let socket = Socket::from(inherited);
    socket.set_nonblocking(true)?;
    let listener = UnixListener::from_std(OwnedFd::from(socket).into());
    Ok((listener, SocketFile(path.to_owned())))
}

/// Returns whether `path` is a socket that refuses connections.
fn is_dead(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && UnixStream::connect(path).is_err_and(refused)
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if is_dead(&self.0) {
            // If it cannot be removed, the next to bind it replaces it.
            let _ = fs::remove_file(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path of its own for each test.
    fn path(name: &str) -> PathBuf {
        let name = format!("lb-{}-{name}.sock", std::process::id());
        std::env::temp_dir().join(name)
    }

    #[test]
    fn the_file_goes_with_the_listener_and_a_living_one_is_left_alone() {
        let path = path("living");
        let (listener, file) = listen(&path, 1, None).unwrap();
        let error = listen(&path, 1, None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop((listener, file));
        assert!(!path.exists());
    }

    #[test]
    fn the_socket_of_a_dead_process_is_replaced_and_not_removed_by_its_former_owner() {
        let path = path("dead");
        let (listener, former) = listen(&path, 1, None).unwrap();
        drop(listener);
        assert!(path.exists());
        let (listener, file) = listen(&path, 1, None).unwrap();
        drop(former);
        assert!(path.exists(), "it belongs to another by now");
        drop((listener, file));
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let path = path("file");
        fs::write(&path, "precious").unwrap();
        let error = listen(&path, 1, None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        fs::remove_file(&path).unwrap();
    }
}
