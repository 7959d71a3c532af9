//! What must hold at every moment, and once things have come to rest.

use super::World;
use crate::fleet::server::Phase;
use std::collections::BTreeMap;

impl World {
    /// I1, I2 and I6, which must hold at every moment; I4 is held where units are stopped.
    pub(in super::super) fn check(&self) {
        for (token, made) in &self.made {
            assert!(
                *made <= 1,
                "I1: {token} made {made} units, seed {}",
                self.seed
            );
        }
        let mut slots = BTreeMap::new();
        for token in self
            .units
            .iter()
            .filter(|(_, unit)| unit.is_alive)
            .map(|(token, _)| token)
        {
            let rows = self.fleet.servers.values();
            let row = rows
                .filter(|it| it.token == *token)
                .find(|it| it.phase().may_exist());
            if row.is_none_or(|it| it.phase() != Phase::Terminating) {
                let slot = token.parse(&self.fleet.id).map(|(_, slot, _)| slot);
                let more = slots.insert(slot, token.clone());
                assert!(
                    more.is_none(),
                    "I2: {token} and {more:?}, seed {}",
                    self.seed
                );
            }
        }
        for spec in &self.specs {
            let units = self
                .fleet
                .servers
                .values()
                .filter(|it| it.service == spec.name && it.phase().may_exist())
                .count();
            assert!(
                units <= spec.most_units(),
                "I6: {units} units, seed {}",
                self.seed
            );
        }
    }

    /// Every unit has a row: I3, once things have come to rest.
    pub(in super::super) fn check_at_rest(&self) {
        for token in self
            .units
            .iter()
            .filter(|(_, unit)| unit.is_alive)
            .map(|(token, _)| token)
        {
            let rows = self.fleet.servers.values();
            let known = rows
                .filter(|it| it.phase().may_exist())
                .any(|it| it.token == *token);
            assert!(known, "I3: {token} has no row, seed {}", self.seed);
        }
    }
}
