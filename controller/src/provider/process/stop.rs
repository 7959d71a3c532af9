//! Ends a unit: by its agent if it has one, and without it if that does not help.

use super::{Process, of_io};
use crate::failpoint::{self, Side};
use crate::fleet::commit::ProviderError;
use crate::fleet::id::Token;
use crate::unit::{Ended, Identity, now};
use rustix::process::Signal;
use std::time::Duration;

impl Process {
    pub(super) async fn end(&self, token: &Token, grace: Duration) -> Result<bool, ProviderError> {
        let dir = self.dir(token);
        if !dir.path().exists() || dir.ended().is_some() {
            return Ok(true);
        }
        if let Some(agent) = dir.agent().filter(Identity::is_alive) {
            agent.signal(Signal::TERM);
            failpoint::pass(Side::Within, "stop");
            let patience = grace + Duration::from_secs(6);
            if wait_until(patience, || dir.ended().is_some() || !agent.is_alive()).await
                && dir.ended().is_some()
            {
                self.reap();
                return Ok(true);
            }
            // An agent that does not do it is no help; its server is ended without it.
            agent.signal(Signal::KILL);
            wait_until(Duration::from_secs(2), || !agent.is_alive()).await;
        }
        if let Some(server) = dir
            .started()
            .map(|it| it.process)
            .filter(Identity::is_alive)
        {
            server.signal(Signal::TERM);
            server.signal(Signal::CONT);
            if !wait_until(grace, || !server.is_alive()).await {
                server.signal(Signal::KILL);
                wait_until(Duration::from_secs(5), || !server.is_alive()).await;
            }
            if server.is_alive() {
                return Err(ProviderError::Transient(format!(
                    "process {} does not end",
                    server.pid
                )));
            }
        }
        let ended = Ended {
            how: "stopped".to_owned(),
            at: now(),
        };
        dir.write_ended(&ended)
            .map_err(|error| of_io(&dir, &error))?;
        self.reap();
        Ok(true)
    }
}

async fn wait_until(patience: Duration, done: impl Fn() -> bool) -> bool {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        if done() {
            return true;
        }
        if tokio::time::Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
