//! What RFC 9110 and RFC 9112 ask of an intermediary, rule by rule, of the real `lb`.
//!
//! Most rules are rows of a table: the exact bytes a client sends, those a backend is to get, those
//! it answers, those the client is to get. What needs more than one round is a test of its own.
//! After each case a request that has nothing to do with it must get its own answer, `lb` must
//! come to rest, and every socket must be closed: see [`stand`].

mod cleaned;
mod expectations;
mod framing;
mod hop_by_hop;
mod identity;
mod limits;
mod pipelines;
mod refusals;
mod retries;
mod stand;
mod table;
mod untrusted;
mod upgrades;
mod versions;
mod websocket;
