//! Packets that no host sends every day, made and judged by scapy.

use std::process::Command;
use std::time::Duration;

use crate::Way;
use crate::lab::flood::mac;
use crate::lab::process::run;
use crate::lab::traffic::Helper;
use crate::lab::{H10, Lab, PYTHON};

const ODD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lib/odd.py");
const LIMIT: Duration = Duration::from_secs(30);

/// From a host's cable to the ISP's.
pub fn outbound(lab: &Lab, way: &Way, image: &str) {
    let from = End { role: "h10", device: "eth0", gateway: "lan0" };
    from.send(lab, (H10, way.server), (way.role, "cust"), (image, way.server));
}

/// From the ISP's cable to a host's.
pub fn inbound(lab: &Lab, way: &Way, image: &str) {
    let from = End { role: way.role, device: "cust", gateway: way.interface };
    from.send(lab, (way.server, image), ("h10", "eth0"), (way.server, H10));
}

/// Where packets start.
struct End<'a> {
    role: &'a str,
    device: &'a str,
    gateway: &'a str,
}

impl End<'_> {
    /// Sends them all; what comes out at the other end differs by these addresses alone.
    fn send(&self, lab: &Lab, sent: (&str, &str), (role, device): (&str, &str), seen: (&str, &str)) {
        let mut watch = Helper::start(&mut scapy(lab, role, &["watch", device]));
        let [own, gateway] = [mac(lab, self.role, self.device), mac(lab, "gw", self.gateway)].map(text);
        let mut send = scapy(lab, self.role, &["send", self.device, &own, &gateway, sent.0, sent.1]);
        let packets = run(&mut send, LIMIT);
        let (source, destination) = seen;
        let complaints = watch.ask(&format!(
            "{{\"sent\": {}, \"source\": \"{source}\", \"destination\": \"{destination}\"}}",
            packets.trim()
        ));
        let complaints: Vec<String> = serde_json::from_str(&complaints).expect("odd.py reports");
        assert!(complaints.is_empty(), "{} to {role}:\n{}", self.role, complaints.join("\n"));
    }
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

/// Debian's scapy belongs to Debian's Python.
fn scapy(lab: &Lab, role: &str, words: &[&str]) -> Command {
    let mut command = lab.command(role, PYTHON);
    command.arg(ODD).args(words);
    command
}
