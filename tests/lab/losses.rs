//! What has been dropped, and where: the gateway's own counters and those of all kernels on the way.

use std::collections::BTreeMap;
use std::fmt;

use super::Lab;
use super::gateway::Gateway;

const DEVICES: &str = "/proc/net/dev";
const PROTOCOLS: &str = "/proc/net/snmp6";
const ROLES: [&str; 9] = ["h10", "h20", "inn", "sw", "dmz", "gw", "ispa", "ispb", "srv"];
/// Of its sixteen numbers for each device: errs, drop and fifo, received and sent, and carrier.
const DEVICE_LOSSES: [(usize, &str); 7] = [
    (2, "errors received"),
    (3, "received and dropped"),
    (4, "no room to receive"),
    (10, "errors sent"),
    (11, "dropped, not sent"),
    (12, "no room to send"),
    (14, "no carrier"),
];
const PROTOCOL_LOSSES: [&str; 4] = ["Errors", "Discards", "NoRoutes", "Fails"];

/// Counters of what is lost, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses(BTreeMap<String, u64>);

impl Losses {
    /// All that were counted up to now, by `gateway` if there is one.
    #[track_caller]
    pub fn now(lab: &Lab, gateway: Option<&Gateway<'_>>) -> Self {
        let kernels = ROLES.iter().flat_map(|role| {
            let text = lab.sh(role, &format!("cat {PROTOCOLS} {DEVICES}"));
            of_kernel(&text).map(|(name, count)| (format!("{role} {name}"), count)).collect::<Vec<_>>()
        });
        let own = gateway.map(Gateway::accounts);
        let own = own.iter().flat_map(|accounts| accounts.drops());
        Self(kernels.chain(own.map(|(name, count)| (format!("sixways {name}"), count))).collect())
    }

    /// What has been added since `former`.
    pub fn since(&self, former: &Self) -> Self {
        let added = |(name, count): (&String, &u64)| {
            let added = count.saturating_sub(former.0.get(name).copied().unwrap_or(0));
            (added > 0).then(|| (name.clone(), added))
        };
        Self(self.0.iter().filter_map(added).collect())
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(
                f,
                "nobody has dropped anything: what is missing is late, or an answer that was never given"
            );
        }
        let counters: Vec<String> = self.0.iter().map(|(name, count)| format!("{name}: {count}")).collect();
        write!(f, "dropped: {}", counters.join("; "))
    }
}

/// The counters of one kernel, out of both files one after the other.
fn of_kernel(text: &str) -> impl Iterator<Item = (String, u64)> {
    text.lines().flat_map(|line| match line.split_once(':') {
        Some((device, numbers)) => {
            let numbers: Vec<u64> = numbers.split_whitespace().filter_map(|number| number.parse().ok()).collect();
            let named = DEVICE_LOSSES.iter().filter(|_| numbers.len() == 16);
            named.map(|(at, name)| (format!("{} {name}", device.trim()), numbers[*at])).collect()
        }
        None => of_protocol(line).into_iter().collect::<Vec<_>>(),
    })
}

fn of_protocol(line: &str) -> Option<(String, u64)> {
    let (name, count) = line.split_once(char::is_whitespace)?;
    let is_of_the_load = name.starts_with("Ip6") || name.starts_with("Udp6");
    let is_loss = PROTOCOL_LOSSES.iter().any(|ending| name.ends_with(ending));
    (is_of_the_load && is_loss).then_some((name.to_owned(), count.trim().parse().ok()?))
}
