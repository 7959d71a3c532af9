//! Reads the run directories: which units there are, and how those that ended did.

use super::{Known, Process};
use crate::fleet::id::{Handle, Token};
use crate::fleet::input::{Listing, Unit};
use crate::unit::{Ended, Identity, Order, RunDir, now};
use std::fs;
use std::io;
use std::path::PathBuf;

/// Run directories of units that have ended are kept for looking at, so many of them.
const KEPT: usize = 50;
/// A unit that has ended is listed for this long.
const LISTED_MS: u64 = 60_000;
/// A directory without a server or an agent is being made for at most this long.
const MAKING_MS: u64 = 5_000;

impl Process {
    pub(super) fn listing(&self) -> Result<Listing, String> {
        self.reap();
        let runs = self.runs();
        let mut listing = Listing {
            items: Vec::new(),
            complete: true,
            proof: 1,
        };
        let entries = match fs::read_dir(&runs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
            Err(error) => return Err(format!("{}: {error}", runs.display())),
        };
        for entry in entries {
            let entry = entry.map_err(|error| format!("{}: {error}", runs.display()))?;
            let Some(token) = entry.file_name().to_str().map(Token::new) else {
                continue;
            };
            if token.parse(&self.settings.fleet).is_none() {
                continue;
            }
            if let Some(unit) = self.unit(token) {
                listing.items.push(unit);
            }
        }
        let tokens: Vec<&Token> = listing.items.iter().map(|unit| &unit.token).collect();
        self.known
            .borrow_mut()
            .retain(|token, _| tokens.contains(&token));
        Ok(listing)
    }

    /// One run directory, if it is to be listed.
    fn unit(&self, token: Token) -> Option<Unit> {
        let dir = self.dir(&token);
        let mut known = self.known.borrow_mut();
        if !known.contains_key(&token) {
            // A directory whose order was never written is finished by the next launch.
            let new = Known {
                order: dir.order()?,
                server: None,
                agent: None,
            };
            known.insert(token.clone(), new);
        }
        let Known {
            order,
            server,
            agent,
        } = known.get_mut(&token)?;
        let mut lives = server.as_ref().is_some_and(Identity::is_alive);
        if !lives {
            if let Some(ended) = dir.ended() {
                if now().saturating_sub(ended.at) > LISTED_MS {
                    self.put_aside(&dir);
                    return None;
                }
                return Some(self.describe(token, order, Err(ended.how), false));
            }
            *server = dir.started().map(|started| started.process);
            lives = server.as_ref().is_some_and(Identity::is_alive);
        }
        if !agent.as_ref().is_some_and(Identity::is_alive) {
            *agent = dir.agent().filter(Identity::is_alive);
        }
        let has_agent = agent.is_some();
        let is_new = now().saturating_sub(order.made_at) < MAKING_MS;
        let alive = if lives || has_agent || (server.is_none() && is_new) {
            Ok(())
        } else if server.is_some() {
            Err("ended while it had no agent".to_owned())
        } else {
            Err("was never started".to_owned())
        };
        if let Err(how) = &alive {
            // Nothing may start in it any more: what is reported as ended stays so.
            let _ = dir.write_ended(&Ended {
                how: how.clone(),
                at: now(),
            });
        }
        Some(self.describe(token, order, alive, has_agent))
    }

    fn describe(
        &self,
        token: Token,
        order: &Order,
        alive: Result<(), String>,
        has_agent: bool,
    ) -> Unit {
        Unit {
            handle: Handle::new(token.as_str()),
            token,
            address: order.request.address(),
            template: Some(order.template.clone()),
            alive,
            has_agent,
            wrong: None,
        }
    }

    /// Moves a directory to those of the ended, of which the oldest go.
    fn put_aside(&self, dir: &RunDir) {
        let ended = self.settings.state.join("ended");
        let Some(name) = dir.path().file_name() else {
            return;
        };
        let _ = fs::create_dir_all(&ended);
        if fs::rename(dir.path(), ended.join(name)).is_err() {
            let _ = fs::remove_dir_all(dir.path());
        }
        let Ok(entries) = fs::read_dir(&ended) else {
            return;
        };
        let mut kept: Vec<(std::time::SystemTime, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        kept.sort();
        let surplus = kept.len().saturating_sub(KEPT);
        for (_, path) in kept.into_iter().take(surplus) {
            let _ = fs::remove_dir_all(path);
        }
    }
}
