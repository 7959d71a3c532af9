//! Generates the gRPC messages and services from `proto/`, without protoc.
#![allow(clippy::disallowed_methods, reason = "a build script writes files")]

use prost::Message as _;
use std::path::PathBuf;

/// Messages that are read from the JSON that the HTTP API answers with: one truth for both.
const VIEWS: [&str; 12] = [
    "FleetView",
    "ListReply",
    "DecisionsReply",
    "Done",
    "Service",
    "Rollout",
    "Decision",
    "Server",
    "Lb",
    "LbPool",
    "Hold",
    "Event",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "proto/s1_heartbeat.proto",
        "proto/s1_connection.proto",
        "proto/agents.proto",
        "proto/fleet.proto",
    ];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let from_json = "#[derive(serde::Serialize, serde::Deserialize)] #[serde(default)]";
    let mut config = tonic_prost_build::configure();
    for view in VIEWS {
        config = config.message_attribute(format!(".lb.controller.v1.{view}"), from_json);
    }
    config.compile_fds(descriptors)?;
    Ok(())
}
