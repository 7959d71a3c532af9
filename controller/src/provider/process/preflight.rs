//! Refuses a launch that cannot work before anything is made for it.

use crate::fleet::commit::ProviderError;
use crate::spec::Request;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// The program of a request can be run.
pub(super) fn check_command(request: &Request) -> Result<(), ProviderError> {
    let Request::Process {
        command, directory, ..
    } = request
    else {
        return Err(ProviderError::Invalid(
            "this provider runs processes".to_owned(),
        ));
    };
    let Some(program) = command.first() else {
        return Err(ProviderError::Invalid("the command is empty".to_owned()));
    };
    if let Some(directory) = directory.as_ref().filter(|it| !it.is_dir()) {
        return Err(ProviderError::Invalid(format!(
            "{} is no folder",
            directory.display()
        )));
    }
    let is_program = |path: &Path| {
        rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
    };
    let found = if program.contains('/') {
        let base = directory.as_deref().unwrap_or(Path::new("."));
        is_program(Path::new(program)) || is_program(&base.join(program))
    } else {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths).any(|folder| is_program(&folder.join(program)))
    };
    if found {
        return Ok(());
    }
    Err(ProviderError::Invalid(format!(
        "command: {program} is no program that can be run here"
    )))
}

/// Something listens at the address already: an error that names it.
pub(super) fn foreign_listener(address: SocketAddr) -> Option<ProviderError> {
    match std::net::TcpListener::bind(address) {
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let owner = lb_procnet::listener(address.port());
            let holder = owner.map_or("another process".to_owned(), |owner| owner.to_string());
            let text = format!("address {address} is taken by {holder}: trying the next one");
            Some(ProviderError::AddressTaken(text))
        }
        Err(error) => Some(ProviderError::Invalid(format!(
            "address {address}: {error}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let error = foreign_listener(address).expect("is taken");
        let pid = format!("(process {})", std::process::id());
        assert!(error.text().contains(&pid), "{}", error.text());
        drop(listener);
        assert_eq!(foreign_listener(address), None);
    }
}
