//! Generates the gRPC messages and services from `proto/`, without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "proto/s1_heartbeat.proto",
        "proto/s1_connection.proto",
        "proto/agents.proto",
    ];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["proto"])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
