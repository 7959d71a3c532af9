//! One check of a server, by the agent beside it or by the controller.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is shell: it opens sockets"
)]

use crate::http_client::{self, Target};
use crate::spec::Check;
use std::net::SocketAddr;
use std::time::Duration;

/// Time limit of one check.
pub(crate) const LIMIT: Duration = Duration::from_secs(2);

/// Asks the server once. `None`: there is nothing to ask.
pub(crate) async fn check(how: &Check, address: Option<SocketAddr>) -> Option<Result<(), String>> {
    let address = address?;
    match how {
        Check::None | Check::Announced => None,
        Check::Tcp => {
            let connected = tokio::time::timeout(LIMIT, tokio::net::TcpStream::connect(address));
            Some(match connected.await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(format!("check: {error}")),
                Err(_) => Err(format!("check: no connection within {} s", LIMIT.as_secs())),
            })
        }
        Check::Http(path) => {
            let target = Target {
                host: address.ip().to_string(),
                port: address.port(),
                token: None,
            };
            let answer = http_client::get(&target, path, LIMIT).await;
            Some(match answer {
                Ok(answer) if (200..400).contains(&answer.status) => Ok(()),
                Ok(answer) => Err(format!(
                    "check: GET {path} is answered with {}",
                    answer.status
                )),
                Err(error) => Err(format!("check: {error}")),
            })
        }
    }
}

/// Connections established at a local port, by proc_net_tcp(5).
pub(crate) fn connections(port: u16) -> Option<u32> {
    let mut count = 0;
    let mut any = false;
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let Ok(text) = std::fs::read_to_string(table) else {
            continue;
        };
        any = true;
        for line in text.lines().skip(1) {
            let mut fields = line.split_whitespace();
            let (Some(local), Some(state)) = (fields.nth(1), fields.nth(1)) else {
                continue;
            };
            let local = local
                .rsplit_once(':')
                .and_then(|(_, it)| u16::from_str_radix(it, 16).ok());
            count += u32::from(local == Some(port) && state == "01");
        }
    }
    any.then_some(count)
}
