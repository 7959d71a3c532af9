//! What the strategies do, seen from outside: through an pool, as they are used.

mod contract;
mod sequences;
mod simulation;
mod traffic;
