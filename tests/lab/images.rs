//! Where LAN hosts are seen by the world.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use super::Lab;
use super::traffic::{Bursts, Server};

/// A LAN host's image by each ISP.
pub struct Images(BTreeMap<String, String>);

impl Images {
    /// Learns them from what the server sees when `source` talks to many of its addresses.
    pub fn learn(lab: &Lab, server: &mut Server, role: &str, source: &str) -> Self {
        server.reset();
        let source = format!("{source}/128");
        let bursts = Bursts { wait_ms: 2_000, ..Bursts::of_one(role, &source) };
        bursts.run(lab);
        Self(server.report().into_iter().map(|(prefix, seen)| (prefix, seen.examples[0].clone())).collect())
    }

    /// The image out of this ISP's prefix.
    ///
    /// # Panics
    /// If no pair went by that ISP.
    #[track_caller]
    pub fn by(&self, isp: &str) -> &str {
        self.0.get(isp).unwrap_or_else(|| panic!("64 pairs and none by {isp}: {:?}", self.0))
    }
}

/// Whether an address lies in a /48.
pub fn inside(address: Ipv6Addr, prefix: &str) -> bool {
    let network: Ipv6Addr = prefix.strip_suffix("/48").expect("a /48").parse().expect("an address");
    address.segments()[..3] == network.segments()[..3]
}
