//! Where servers come from, behind one trait.
//!
//! A provider does as it is told and reports what there is; it knows no reason for either.

mod docker;
mod exec;
mod fixed;
mod process;

pub(crate) use docker::{Built, Docker, MAX_ARCHIVE, pack, prepare};
pub(crate) use exec::Exec;
pub(crate) use fixed::Fixed;
pub(crate) use process::{Process, Settings, secret};

use crate::fleet::commit::{LaunchResult, ProviderError};
use crate::fleet::id::{Handle, TemplateId, Token};
use crate::fleet::input::Listing;
use crate::spec::{Request, ServiceSpec};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A call under way. Providers live on the thread of the shell.
pub(crate) type Call<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Launches, lists and stops units.
pub(crate) trait Provider {
    /// Learns the services of the specification, at the start and whenever it is applied.
    fn respecify(&self, _services: &[ServiceSpec]) {}

    /// Makes the unit of this token, or finds it: a repeat never makes a second one. An error
    /// other than `Unknown` says that this call made nothing.
    fn launch<'a>(
        &'a self,
        token: &'a Token,
        template: &'a TemplateId,
        request: &'a Request,
    ) -> Call<'a, LaunchResult>;

    /// The units of this fleet, those that have ended lately included.
    fn list(&self) -> Call<'_, Result<Listing, String>>;

    /// Ends a unit: asked nicely first, ended after `grace`. Absent is success. `true`: it is
    /// confirmed absent.
    fn stop<'a>(
        &'a self,
        token: &'a Token,
        handle: Option<&'a Handle>,
        grace: Duration,
    ) -> Call<'a, Result<bool, ProviderError>>;

    /// Has a new agent take over a unit whose agent is gone.
    fn adopt<'a>(&'a self, token: &'a Token) -> Call<'a, Result<(), ProviderError>>;
}
