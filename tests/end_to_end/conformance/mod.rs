//! The rules of RFC 9110 and RFC 9112 for an intermediary, one by one, on the real `lb`.
//!
//! Most rules are rows of a table: the exact bytes a client sends, those a backend is to get, its
//! response, those the client is to get. Cases of more than one round are tests of their own. After
//! each case an unrelated request must get its own response, `lb` must come to rest, and every
//! socket must be closed: see [`stand`].

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
