//! Compiles the `.proto` files with a compiler written in Rust, so that no `protoc` has to be installed.

use prost::Message;
use std::path::PathBuf;

const FILES: [&str; 3] =
    ["holdfast/admin/v1/admin.proto", "holdfast/issuer/v1/issuer.proto", "holdfast/peer/v1/peer.proto"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let path = PathBuf::from(std::env::var("OUT_DIR")?).join("descriptors.bin");
    std::fs::write(&path, descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".")
        .file_descriptor_set_path(&path)
        .skip_protoc_run()
        .compile_protos(&FILES, &["."])?;
    Ok(())
}
