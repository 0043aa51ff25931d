//! Flow memory that is overrun many times: what is established stays, and stays where it is.
//!
//! 300 000 new flows, for which the memory is as much too small as the default one is for
//! 10^7; `SIXWAYS_FLOOD_FLOWS=10000000` makes it that many, best with `--release`.

#[path = "../lab/mod.rs"]
mod lab;

mod books;
mod datagrams;
mod failover;
mod flooded;
mod storm;
mod streams;
mod tcp;
mod wires;

use std::net::Ipv6Addr;
use std::process::Command;
use std::time::Duration;

use lab::gateway::Gateway;
use lab::process::{eventually, run};
use lab::steps::Steps;
use lab::traffic::ping;
use lab::{H10, Lab, SERVER};

const FLOWS: u64 = 300_000;
/// Ten times as many flows as that.
const OVERRUN: u64 = 10;
/// Frames of a storm on their way, an eighth of the ring: the worker always finds some, and what
/// else comes has room.
const WINDOW: u64 = 1024;
/// Where the flows of each storm begin: none of them comes again.
const FIRST: [u64; 3] = [0, 1 << 28, 2 << 28];
/// [`H10`] by each ISP: 0x10 + 0x7c49 and 0x10 + 0x7c48 (RFC 6296 §3.4).
const IMAGES: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0x2001, 0xdb8, 1, 0x7c59, 0, 0, 0, 0x10), Ipv6Addr::new(0x2001, 0xdb8, 2, 0x7c58, 0, 0, 0, 0x10)];

#[test]
fn established_flows_outlive_a_flood() {
    let Some(lab) = Lab::start(1) else { return };
    // Both ends of two thousand connections are in this process.
    run(
        Command::new("prlimit").args(["--nofile=8192:", "--pid", &std::process::id().to_string()]),
        Duration::from_secs(5),
    );
    let flows: u64 =
        std::env::var("SIXWAYS_FLOOD_FLOWS").map_or(FLOWS, |text| text.parse().expect("a number of flows"));
    storm::make_sinks(&lab);
    let mut gateway = Gateway::start(
        &lab,
        &format!("\n[dataplane]\nrx_ring = 8192\nfill_ring = 8192\n[flows]\ncapacity = {}\n", flows / OVERRUN),
    );
    for role in ["h10", "h20"] {
        eventually("the first echo", Duration::from_secs(5), || ping(&lab, role, SERVER, 1, 10) == 1);
    }
    let mut steps = Steps::new(&lab);
    steps.step("a thousand TCP streams in a flood of new flows", &mut gateway, |gateway| {
        flooded::test(&lab, gateway, flows);
    });
    steps.step("an ISP that fails and returns in a flood", &mut gateway, |gateway| failover::test(&lab, gateway));
    steps.finish();
}

/// A host beyond the ISPs: all of them are the server.
fn outside(group: u16, number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, group, 0, 0, number)
}

fn h10() -> Ipv6Addr {
    H10.parse().expect("an address")
}
