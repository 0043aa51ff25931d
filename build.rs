//! Compiles the BPF programs and maps with clang, which the AF_XDP library's build needs anyway.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    let sources = Path::new("src/xdp/bpf");
    println!("cargo:rerun-if-changed={}", sources.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for program in ["gate", "guard", "flow"] {
        compile(&sources.join(format!("{program}.bpf.c")), &out.join(format!("{program}.bpf.o")));
    }
}

fn compile(source: &Path, object: &Path) {
    let status = Command::new("clang")
        .args(["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-c"])
        .arg(source)
        .arg("-o")
        .arg(object)
        .status()
        .unwrap_or_else(|error| panic!("cannot run clang ({error}); install it: apt-get install clang"));
    assert!(status.success(), "clang failed on {}", source.display());
    assert!(fs::metadata(object).is_ok_and(|object| object.len() > 0), "clang wrote no {}", object.display());
}
