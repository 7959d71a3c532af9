//! Which backends may be members of a pool, besides what the pool itself says.

use super::network::Network;
use crate::address::Address;
use crate::pool::NotAdded;

/// Backends that may not be added to any pool.
#[derive(Clone, Debug, Default)]
pub struct MemberRules {
    /// Addresses of lb's own listeners: a backend there would send requests round in circles.
    pub listeners: Vec<Address>,
}

impl MemberRules {
    /// Checks whether a backend may be at these addresses, `address` being how people write them.
    /// With `is_pinged`, it is to be pinged there.
    ///
    /// # Errors
    /// It may not.
    pub(super) fn check<N: Network>(
        &self,
        network: &N,
        is_pinged: bool,
        address: &str,
        addresses: &[Address],
    ) -> Result<(), NotAdded> {
        let is_own = |to: &Address| {
            let mut listeners = self.listeners.iter();
            listeners.any(|listener| network.reaches(to, listener))
        };
        if addresses.iter().any(is_own) {
            return Err(NotAdded::OwnAddress(address.to_owned()));
        }
        let is_unix = |to: &Address| matches!(to, Address::Unix(_));
        if is_pinged && addresses.iter().any(is_unix) {
            return Err(NotAdded::CannotBePinged(address.to_owned()));
        }
        Ok(())
    }
}
