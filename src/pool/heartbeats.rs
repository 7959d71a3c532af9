//! What becomes of a backend by its heartbeats.
//!
//! Their absence is silence, so it ejects however many are ejected already; a process that is
//! reported dead is not worth asking either.

use super::life_cycle::Event;
use super::{Backends, Cause, State};
use crate::heartbeat::HeartbeatFinding;
use crate::strategy::BackendId;
use crate::time::Timestamp;

impl Backends {
    /// Something was found out about a backend by its heartbeats. A suspicion alone changes
    /// nothing.
    pub fn heartbeats_show(
        &mut self,
        backend: BackendId,
        finding: HeartbeatFinding,
        now: Timestamp,
    ) {
        let (event, cause) = match finding {
            HeartbeatFinding::Suspect => return,
            HeartbeatFinding::Missing { phi, silence } => {
                let cause = Cause::HeartbeatsMissing { phi, silence };
                (Event::HeartbeatsFell, cause)
            }
            HeartbeatFinding::ProcessDead => (Event::HeartbeatsFell, Cause::ProcessDead),
            HeartbeatFinding::Back => (Event::HeartbeatsRose, Cause::HeartbeatsBack),
            HeartbeatFinding::ProcessAlive => (Event::HeartbeatsRose, Cause::ProcessAlive),
        };
        let Some(before) = self.state(backend).filter(|state| state.is_member()) else {
            return;
        };
        self.advance(backend.slot(), event, cause, now);
        if matches!(before, State::Ejected { .. })
            && self.state(backend).is_some_and(State::pickable)
        {
            // What a strategy holds against it is from before.
            self.strategy.cleared(backend);
        }
    }
}
