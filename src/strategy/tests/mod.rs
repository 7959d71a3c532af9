//! The strategies seen from outside: through a pool, as they are used.

mod contract;
mod sequences;
mod simulation;
mod traffic;
