//! The gateway's books, read from `sixways status --json`.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::gateway::Gateway;

/// Until they balance.
const SETTLE: Duration = Duration::from_secs(8);
/// Time for what has been sent to arrive and be counted.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// What is read of a status.
#[derive(Clone, Debug, Deserialize)]
pub struct Accounts {
    age_seconds: f64,
    accounting: Vec<Account>,
    interfaces: Vec<Interface>,
    workers: Vec<Worker>,
    drops: Vec<Drop>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Account {
    book: String,
    of: String,
    sources: Vec<Term>,
    sinks: Vec<Term>,
    difference: i64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Term {
    what: String,
    count: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Interface {
    name: String,
    sent: Traffic,
}

#[derive(Clone, Debug, Deserialize)]
struct Traffic {
    packets: Flow,
}

#[derive(Clone, Debug, Deserialize)]
struct Flow {
    total: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Worker {
    frames: Frames,
}

#[derive(Clone, Debug, Deserialize)]
struct Frames {
    lost: i64,
}

#[derive(Clone, Debug, Deserialize)]
struct Drop {
    interface: String,
    reason: String,
    packets: Flow,
}

impl Accounts {
    /// Packets that came in by an interface and were sent on.
    pub fn carried_from(&self, interface: &str) -> u64 {
        self.term(interface, "path", "sent")
    }

    /// Packets that the gateway sent by an interface; its kernel's own are not among them.
    pub fn sent_by(&self, interface: &str) -> u64 {
        self.interfaces.iter().find(|port| port.name == interface).map_or(0, |port| port.sent.packets.total)
    }

    /// Packets that came in by an interface and were dropped for `reason`.
    pub fn dropped(&self, interface: &str, reason: &str) -> u64 {
        let drops = self.drops.iter().filter(|drop| drop.interface == interface && drop.reason == reason);
        drops.map(|drop| drop.packets.total).sum()
    }

    /// Packets that came in by an interface and were dropped, whatever for.
    pub fn all_dropped(&self, interface: &str) -> u64 {
        let drops = self.drops.iter().filter(|drop| drop.interface == interface);
        drops.map(|drop| drop.packets.total).sum()
    }

    /// What was dropped, by interface and reason.
    pub fn drops(&self) -> impl Iterator<Item = (String, u64)> {
        self.drops.iter().map(|drop| (format!("{} {}", drop.interface, drop.reason), drop.packets.total))
    }

    fn term(&self, of: &str, book: &str, what: &str) -> u64 {
        let accounts = self.accounting.iter().filter(|account| account.of == of && account.book == book);
        let terms = accounts.flat_map(|account| account.sources.iter().chain(&account.sinks));
        terms.filter(|term| term.what == what).map(|term| term.count).sum()
    }

    /// What does not balance, or is a bug by itself.
    fn complaints(&self) -> Vec<String> {
        let unbalanced = self.accounting.iter().filter(|account| account.difference != 0);
        let lost = self.workers.iter().filter(|worker| worker.frames.lost != 0);
        let bugs = self.drops.iter().filter(|drop| drop.reason == "egress-assertion");
        unbalanced
            .map(|account| format!("{account:?}"))
            .chain(lost.map(|worker| format!("frames are lost: {worker:?}")))
            .chain(bugs.map(|drop| format!("a bug: {drop:?}")))
            .collect()
    }
}

impl Gateway<'_> {
    /// The books now; under load frames on their way are missing in them.
    #[track_caller]
    pub fn accounts(&self) -> Accounts {
        let json = self.ask(&["status", "--json"]);
        serde_json::from_str(&json).unwrap_or_else(|error| panic!("status --json: {error}\n{json}"))
    }

    /// The books of a moment when all that was sent before this call has come to its end, and they balance.
    ///
    /// # Panics
    /// If they do not balance in time.
    #[track_caller]
    pub fn settled(&self) -> Accounts {
        let start = Instant::now();
        // A little more: for the age of the numbers.
        std::thread::sleep(ON_ITS_WAY.mul_f32(1.1));
        loop {
            let asked = start.elapsed();
            let now = self.accounts();
            let is_later = asked.as_secs_f64() >= ON_ITS_WAY.as_secs_f64() + now.age_seconds;
            let complaints = now.complaints();
            if is_later && complaints.is_empty() {
                return now;
            }
            assert!(start.elapsed() < SETTLE, "the books do not balance:\n{}\n{:?}", complaints.join("\n"), now.drops);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// As [`Gateway::settled`], for its judgement alone.
    #[track_caller]
    pub fn assert_accounts_balance(&self) {
        self.settled();
    }
}
