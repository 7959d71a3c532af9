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
