//! The open sessions of agents.

use crate::fleet::id::Token;
use crate::proto::v1::FromController;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// Sessions of agents, by token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<Token, Numbered>>>);

/// The number of a session, and the way to its agent.
type Numbered = (u64, mpsc::Sender<FromController>);

impl Sessions {
    /// Registers a session; the number tells it from a later one of the same agent.
    pub(crate) fn open(&self, token: Token, number: u64, session: mpsc::Sender<FromController>) {
        if let Ok(mut sessions) = self.0.lock() {
            sessions.insert(token, (number, session));
        }
    }

    /// Forgets a session. `false`: a later one has taken its place.
    pub(crate) fn close(&self, token: &Token, number: u64) -> bool {
        let Ok(mut sessions) = self.0.lock() else {
            return false;
        };
        let is_it = sessions.get(token).is_some_and(|(it, _)| *it == number);
        if is_it {
            sessions.remove(token);
        }
        is_it
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().map_or(0, |it| it.len())
    }

    pub(super) fn send(&self, token: &Token, message: FromController) {
        let session = self
            .0
            .lock()
            .ok()
            .and_then(|it| it.get(token).map(|(_, it)| it.clone()));
        if let Some(session) = session {
            // The next step says it again if it still matters.
            let _ = session.try_send(message);
        }
    }
}
