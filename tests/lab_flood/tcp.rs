//! What the kernels at both ends of the streams, and the cables in between, have counted.

use super::lab::Lab;

/// Segments that were not delivered once.
#[derive(Clone, Copy, Debug)]
pub struct Tcp {
    /// Sent again.
    pub again: u64,
    /// Came a second time, as their receivers told (RFC 2883).
    pub twice: u64,
    /// Frames of any kind that a device of the lab dropped, before or behind the gateway.
    pub lost_on_cables: u64,
}

impl Tcp {
    /// All so far.
    pub fn of(lab: &Lab) -> Self {
        let sum = |names: &str| ["h10", "srv"].map(|role| counters(lab, role, names)).iter().sum();
        let lost = ["h10", "sw", "gw", "ispa", "ispb", "srv"].map(|role| dropped(lab, role)).iter().sum();
        let twice = sum("TcpExtTCPDSACKOldSent TcpExtTCPDSACKOfoSent");
        Self { again: sum("TcpRetransSegs"), twice, lost_on_cables: lost }
    }

    /// What has come to `before`.
    pub const fn since(self, before: &Self) -> Self {
        Self {
            again: self.again - before.again,
            twice: self.twice - before.twice,
            lost_on_cables: self.lost_on_cables - before.lost_on_cables,
        }
    }
}

fn counters(lab: &Lab, role: &str, names: &str) -> u64 {
    let table = lab.sh(role, &format!("nstat -asz {names}"));
    let counts = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1));
    counts.map(|count| count.parse::<u64>().expect("a number")).sum()
}

fn dropped(lab: &Lab, role: &str) -> u64 {
    let table = lab.sh(role, "cat /proc/net/dev");
    let devices = table.lines().skip(2).filter_map(|line| line.split_once(':'));
    // Those are the storms' end.
    let cables = devices.filter(|(name, _)| !["hole", "pit"].contains(&name.trim()));
    // Octets, packets, errors and drops, received; four more words; and the same, sent.
    let drops = cables.flat_map(|(_, words)| words.split_whitespace().skip(3).step_by(8));
    drops.map(|count| count.parse::<u64>().expect("a number")).sum()
}
