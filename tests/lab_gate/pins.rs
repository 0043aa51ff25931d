//! Where the gate may be pinned: only where the pin outlives the process.

use std::os::unix::fs::PermissionsExt;

use sixways::xdp::{PinError, Pins};

use crate::lab::Lab;
use crate::stand::{in_gateway, pins};

const BINARY: &str = env!("CARGO_BIN_EXE_sixways");

pub fn a_directory_that_is_no_bpffs_is_refused_with_the_command(lab: &Lab) {
    in_gateway(lab, || {
        let refused = Pins::open(Some(&lab.dir)).expect_err("a plain directory");
        assert!(matches!(refused, PinError::NoBpffs(_)), "{refused}");
        assert!(refused.to_string().contains("mount -t bpf"), "{refused}");
    });
    // `ip netns exec` covers /sys, with it the usual place.
    let output = lab.command("gw", BINARY).arg("release").output().expect("it starts");
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && says.contains("--bpffs"), "{says}");
}

pub fn a_bpffs_in_a_private_mount_namespace_is_refused_with_the_command(lab: &Lab) {
    let place = lab.dir.join("private-bpf");
    std::fs::create_dir(&place).expect("a directory");
    let script = format!("mount -t bpf bpf {0} && {BINARY} release --bpffs {0}", place.display());
    let output = lab.command("gw", "sh").args(["-c", &script]).output().expect("sh starts");
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{says}");
    assert!(says.contains("private mount namespace") && says.contains("mount -t bpf bpf /run/sixways/bpf"), "{says}");
}

pub fn pins_are_root_s_and_one_process_s(lab: &Lab) {
    in_gateway(lab, || {
        let first = pins(lab);
        let busy = Pins::open(Some(&lab.dir.join("bpf"))).expect_err("the pins are in use");
        assert!(matches!(busy, PinError::Busy(_)), "{busy}");
        for directory in [
            lab.dir.join("bpf/sixways"),
            lab.dir.join("bpf/sixways").read_dir().unwrap().next().unwrap().unwrap().path(),
        ] {
            let mode = directory.metadata().expect("a directory").permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", directory.display());
        }
        drop(first);
        pins(lab);
    });
}
