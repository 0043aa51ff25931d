//! What the gateway says of its flow memory.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::lab::gateway::Gateway;

/// Totals of flow memory and of what was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Books {
    /// Flows whose record was made.
    pub inserts: u64,
    /// Records that gave way, by kind.
    pub evictions: BTreeMap<String, u64>,
    /// Flows that went without a record.
    pub refusals: u64,
    /// Flows that got another ISP.
    pub moves: u64,
    /// Flows that came in by another ISP than before.
    pub repins: u64,
    /// Flows that the memory is made for.
    pub capacity: u64,
    /// Size of the memory.
    pub octets: u64,
    /// Packets by interface and reason.
    pub drops: BTreeMap<(String, String), u64>,
}

#[derive(Deserialize)]
struct Counted {
    total: u64,
}

#[derive(Deserialize)]
struct Status {
    flows: Memory,
    drops: Vec<Drop>,
}

#[derive(Deserialize)]
struct Memory {
    capacity: u64,
    memory_bytes: u64,
    inserts: Counted,
    evictions: Vec<Eviction>,
    refusals: Counted,
    moves: Counted,
    repins: Counted,
}

#[derive(Deserialize)]
struct Eviction {
    kind: String,
    records: Counted,
}

#[derive(Deserialize)]
struct Drop {
    interface: String,
    reason: String,
    packets: Counted,
}

impl Books {
    /// The numbers once no new flow comes and nothing is dropped any more.
    ///
    /// # Panics
    /// If that does not come to pass.
    #[track_caller]
    pub fn settled(gateway: &Gateway<'_>) -> Self {
        let mut latest = Self::of(gateway);
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(700));
            let now = Self::of(gateway);
            if (now.inserts, &now.drops) == (latest.inserts, &latest.drops) {
                return now;
            }
            latest = now;
        }
        panic!("still on the move: {latest:?}");
    }

    /// The numbers of this moment.
    #[track_caller]
    pub fn of(gateway: &Gateway<'_>) -> Self {
        let json = gateway.ask(&["status", "--json"]);
        let Status { flows, drops } =
            serde_json::from_str(&json).unwrap_or_else(|error| panic!("status --json: {error}\n{json}"));
        Self {
            inserts: flows.inserts.total,
            evictions: flows.evictions.into_iter().map(|kind| (kind.kind, kind.records.total)).collect(),
            refusals: flows.refusals.total,
            moves: flows.moves.total,
            repins: flows.repins.total,
            capacity: flows.capacity,
            octets: flows.memory_bytes,
            drops: drops.into_iter().map(|drop| ((drop.interface, drop.reason), drop.packets.total)).collect(),
        }
    }

    /// Drops since `before`, by interface and reason.
    pub fn dropped_since(&self, before: &Self) -> BTreeMap<(String, String), u64> {
        let since = |(key, count): (&(String, String), &u64)| {
            let count = count - before.drops.get(key).copied().unwrap_or(0);
            (count > 0).then(|| (key.clone(), count))
        };
        self.drops.iter().filter_map(since).collect()
    }

    /// Those of one interface for one reason.
    pub fn dropped(&self, interface: &str, reason: &str) -> u64 {
        self.drops.get(&(interface.to_owned(), reason.to_owned())).copied().unwrap_or(0)
    }
}

/// How many flows match, in the memory at this moment.
#[track_caller]
pub fn flows(gateway: &Gateway<'_>, filters: &[&str]) -> u64 {
    let json = gateway.ask(&[&["flows", "--json", "--count"], filters].concat());
    let listing: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("flows --json: {error}\n{json}"));
    assert_eq!(listing["read_ratio"], 1.0, "the whole memory was read");
    listing["matched"].as_u64().expect("a number")
}
