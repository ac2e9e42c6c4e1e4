//! Compiles the protocol's description; needs no external compiler.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/driftless.proto");
    let descriptors = protox::compile(["proto/driftless.proto"], ["proto"])?;
    prost_build::compile_fds(descriptors)?;
    Ok(())
}
