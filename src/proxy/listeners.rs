//! The listeners of a proxy, by number.
//!
//! A number is that of the socket that accepts; the one of a listener that was removed stays empty.
//! Connections hold their listener themselves, so one that is replaced lives on with them.

use super::listener::Listener;
use crate::config::Mode;
use crate::http::HeadLimits;
use crate::pool::PoolId;
use std::mem;
use std::sync::Arc;

/// By number; `None` where one was removed.
pub(super) struct Listeners(Vec<Option<Arc<Listener>>>);

/// A listener that gave way to another of the same number.
pub(super) struct Replaced {
    pub(super) old: Arc<Listener>,
    pub(super) new: Arc<Listener>,
}

impl Listeners {
    /// These, numbered from 0.
    pub(super) fn new(listeners: Vec<Listener>) -> Self {
        Self(listeners.into_iter().map(Arc::new).map(Some).collect())
    }

    /// The listener of a number.
    #[inline]
    pub(super) fn get(&self, number: u16) -> Option<&Arc<Listener>> {
        self.0.get(usize::from(number))?.as_ref()
    }

    /// Puts a listener where its number says. Returns the one that was there.
    pub(super) fn put(&mut self, number: u16, listener: Listener) -> Option<Replaced> {
        let new = Arc::new(listener);
        let index = usize::from(number);
        if index >= self.0.len() {
            self.0.resize_with(index + 1, || None);
        }
        let old = self.0.get_mut(index)?.replace(Arc::clone(&new))?;
        Some(Replaced { old, new })
    }

    /// Marks a listener as one that is removed, for the connections that it still has.
    pub(super) fn close(&mut self, number: u16) -> Option<Replaced> {
        let slot = self.0.get_mut(usize::from(number))?.as_mut()?;
        let mut closing = Listener::clone(slot);
        closing.is_closing = true;
        let new = Arc::new(closing);
        let old = mem::replace(slot, Arc::clone(&new));
        Some(Replaced { old, new })
    }

    /// Takes a listener out that was [closed](Self::close).
    pub(super) fn take_closed(&mut self, number: u16) -> Option<Arc<Listener>> {
        let slot = self.0.get_mut(usize::from(number))?;
        slot.take_if(|listener| listener.is_closing)
    }

    /// Limits on the heads that health checks read: those of the first listener.
    pub(super) fn head_limits(&self) -> HeadLimits {
        let first = self.0.iter().flatten().next();
        first.map_or_else(HeadLimits::default, |listener| listener.limits.head())
    }

    /// Returns whether any takes HTTP.
    pub(super) fn take_http(&self) -> bool {
        let mut present = self.0.iter().flatten();
        present.any(|listener| listener.mode == Mode::Http && !listener.is_closing)
    }

    /// Returns whether any balances connections to this pool byte for byte.
    pub(super) fn serve_tcp(&self, pool: PoolId) -> bool {
        let mut present = self.0.iter().flatten();
        present.any(|listener| listener.mode == Mode::Tcp && listener.pool == pool)
    }
}
