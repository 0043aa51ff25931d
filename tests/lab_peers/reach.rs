//! ping, traceroute and tracepath: is everybody there, and is everybody on the way there told apart.

use std::collections::BTreeMap;

use crate::WAYS;
use crate::lab::Lab;
use crate::lab::images::inside;
use crate::lab::traffic::{ping, traceroute};

/// Octets behind the echo's header: the smallest, those round the links' and the minimum's sizes, and
/// those that hosts fragment.
const SIZES: [u32; 16] = [0, 1, 7, 56, 1231, 1232, 1233, 1351, 1352, 1353, 1452, 1453, 2905, 4000, 8952, 9000];
/// The inner router, seen from `h20`.
const INNER: &str = "fd12:3456:789a:20::1";

pub fn sizes(lab: &Lab, images: &[String; 2]) {
    for (way, image) in WAYS.iter().zip(images) {
        for size in SIZES {
            for (role, target) in [("h10", way.server), ("srv", image.as_str())] {
                assert!(answered(lab, role, &format!("-s{size} {target}")), "{size} octets to {target}");
            }
        }
    }
}

/// Whether three are answered. Before that some may be lost to teach the sender the path's
/// MTU: the error ends a ping with a deadline at once.
pub fn answered(lab: &Lab, role: &str, target: &str) -> bool {
    (0..3).any(|_| ping(lab, role, &format!("-w5 {target}"), 3, 10) == 3)
}

pub fn traceroutes(lab: &Lab, images: &[String; 2], options: &str) {
    for (way, image) in WAYS.iter().zip(images) {
        let hops = traceroute(lab, "h20", &format!("{options}{}", way.server));
        assert_eq!(hops, [INNER, &lab.own["lan0"], way.router, way.server], "outbound by {}", way.isp);
        let hops = traceroute(lab, "srv", &format!("{options}{image}"));
        inbound_hops(lab, way, &hops, image);
    }
}

/// The router of the ISP, the gateway by its address there, the inner router by an image, the host.
fn inbound_hops(lab: &Lab, way: &crate::Way, hops: &[String], image: &str) {
    assert_eq!(hops.len(), 4, "{hops:?}");
    assert_eq!((&*hops[0], &hops[1], &*hops[3]), (way.router, &lab.own[way.interface], image));
    assert!(inside(hops[2].parse().expect("the inner router answers"), way.isp), "{hops:?}");
}

pub fn tracepaths(lab: &Lab, images: &[String; 2]) {
    for (way, image) in WAYS.iter().zip(images) {
        let (hops, mtu) = tracepath(lab, "h20", way.server);
        assert_eq!(hops, [INNER, &lab.own["lan0"], way.router, way.server], "outbound by {}", way.isp);
        assert_eq!(mtu, way.mtu, "outbound by {}", way.isp);
        let (hops, mtu) = tracepath(lab, "srv", image);
        inbound_hops(lab, way, &hops, image);
        assert_eq!(mtu, 1500, "inbound by {}: the ISP's MTU is what we may send", way.isp);
    }
}

/// Its hops, each once, and the path's MTU.
fn tracepath(lab: &Lab, role: &str, target: &str) -> (Vec<String>, u32) {
    let output = lab.sh(role, &format!("tracepath -6 -n -m 8 {target}"));
    let hop = |line: &str| {
        let (number, rest) = line.trim().split_once(": ")?;
        Some((number.parse::<u32>().ok()?, rest.split_whitespace().next()?.to_owned()))
    };
    let hops: BTreeMap<_, _> = output.lines().filter_map(hop).collect();
    let mtu =
        output.lines().find_map(|line| line.trim().strip_prefix("Resume: pmtu ")?.split(' ').next()?.parse().ok());
    (hops.into_values().collect(), mtu.unwrap_or_else(|| panic!("tracepath tells no MTU: {output}")))
}
