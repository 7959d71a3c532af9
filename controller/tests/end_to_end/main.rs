//! The real binaries: a controller, its agents and servers, and an lb that serves exactly the
//! admin API that the controller speaks.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests start processes and read clocks, and one that cannot go on should say where"
)]

mod api;
mod compat;
mod crashes;
mod exec;
mod fake_lb;
mod grpc;
mod healing;
mod lb_process;
mod many_agents;
mod real_lb;
mod s1_table;
mod scaling;
mod support;
mod test_server;
mod traffic;
mod under_traffic;
