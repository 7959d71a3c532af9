//! Heartbeats to every lb, so that the death of a process reaches the data plane without the
//! controller.

use crate::unit::Order;
use lb::config::SenderConfig;
use lb::heartbeat::{HeartbeatKey, Load, ProcessState, SenderName};
use lb::{HeartbeatSender, SenderHandle, Vitals};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// What heartbeats say now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pulse {
    pub(super) load: Option<f64>,
    /// The server runs and is to be picked.
    pub(super) is_alive: bool,
}

/// Sends in a thread of its own until it is dropped.
pub(super) struct Heartbeats {
    pulse: Arc<Mutex<Pulse>>,
    handle: SenderHandle,
}

impl Heartbeats {
    /// `Ok(None)`: the order names no lb.
    pub(super) fn start(
        order: &Order,
        address: Option<SocketAddr>,
    ) -> Result<Option<Self>, String> {
        let Some(address) = address.filter(|_| !order.heartbeats.is_empty()) else {
            return Ok(None);
        };
        let targets: Result<Vec<_>, _> = order.heartbeats.iter().map(|it| it.parse()).collect();
        let targets = targets.map_err(|error| format!("heartbeats: {error}"))?;
        let name =
            SenderName::new(&address.to_string()).ok_or("heartbeats: the address is no name")?;
        let mut config = SenderConfig::new(name, targets).map_err(|error| error.to_string())?;
        config.address = Some(
            address
                .to_string()
                .parse()
                .map_err(|error| format!("heartbeats: {error}"))?,
        );
        if let Some(path) = &order.heartbeat_key_file {
            let secret = std::fs::read_to_string(path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            config.key = Some(
                HeartbeatKey::new(secret.trim().as_bytes()).ok_or("the heartbeat key is empty")?,
            );
        }
        let sender = HeartbeatSender::new(config).map_err(|error| error.to_string())?;
        let (handle, pulse) = (sender.handle(), Arc::new(Mutex::new(Pulse::default())));
        let read = Arc::clone(&pulse);
        let vitals = move || {
            let pulse = read.lock().map(|it| *it).unwrap_or_default();
            let state = if pulse.is_alive {
                ProcessState::Alive
            } else {
                ProcessState::Dead
            };
            Vitals {
                load: pulse.load.and_then(Load::new),
                process: Some(state),
            }
        };
        std::thread::spawn(move || sender.run(vitals, |_| {}));
        Ok(Some(Self { pulse, handle }))
    }

    pub(super) fn say(&self, pulse: Pulse) {
        if let Ok(mut now) = self.pulse.lock() {
            *now = pulse;
        }
    }
}

impl Drop for Heartbeats {
    fn drop(&mut self) {
        self.handle.stop();
    }
}
