//! The books: at every place, what came in equals what became of it.
//!
//! Exact when nothing moves. Under load the difference is what is on its way at that moment,
//! bounded by the rings; a difference that stays when traffic stops is a lost or a doubled frame.

use serde::{Deserialize, Serialize};

use super::sample::Sample;
use super::topology::NamedEdge;
use crate::verdict::{DropReason, Place};

/// Where the books are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Book {
    /// By interface, since its gate was first attached: `seen = passed + redirected + dropped`.
    Gate,
    /// By device, all its VLANs together: `redirected = read + dropped`, and what is in the receive
    /// rings.
    Socket,
    /// By interface: `read + injected + originated = sent + dropped + punted + held`, and what
    /// the workers have in hand. Originated are ICMPv6 errors and TCP resets.
    Path,
    /// By worker: `total = free + fill + transmit + in hand`, always.
    Umem,
}

/// A name and a number of frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// What is counted.
    pub what: String,
    /// How many frames.
    pub count: u64,
}

/// Both sides of one identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Which identity.
    pub book: Book,
    /// The interface, with `.VLAN` where it is a VLAN; the device; or the worker's number.
    pub of: String,
    /// What came in.
    pub sources: Vec<Term>,
    /// What became of it.
    pub sinks: Vec<Term>,
    /// Sources minus sinks: on their way, or else lost (doubled, if negative).
    pub difference: i64,
}

impl Account {
    fn new(book: Book, of: impl Into<String>, sources: &[(&str, u64)], sinks: &[(&str, u64)]) -> Self {
        let terms = |side: &[(&str, u64)]| -> Vec<Term> {
            side.iter().map(|(what, count)| Term { what: (*what).to_owned(), count: *count }).collect()
        };
        let sum = |side: &[(&str, u64)]| side.iter().map(|(_, count)| i128::from(*count)).sum::<i128>();
        Self {
            book,
            of: of.into(),
            sources: terms(sources),
            sinks: terms(sinks),
            difference: i64::try_from(sum(sources) - sum(sinks)).unwrap_or(i64::MAX),
        }
    }
}

/// Every identity of `sample`: gate, socket and path by interface, then the workers' buffers.
pub fn accounts(sample: &Sample) -> Vec<Account> {
    let of_edge = |edge| [Some(gate(sample, edge)), socket(sample, edge), Some(path(sample, edge))];
    let by_edge = sample.topology.edges.iter().flat_map(of_edge).flatten();
    let by_worker = sample.workers.iter().enumerate().map(|(worker, counts)| {
        let ledger = counts.ledger;
        Account::new(
            Book::Umem,
            worker.to_string(),
            &[("frames", ledger.total)],
            &[("free", ledger.free), ("fill", ledger.fill), ("transmit", ledger.transmit), ("in hand", ledger.in_hand)],
        )
    });
    by_edge.chain(by_worker).collect()
}

/// Frames of `edge` between the gate's verdict and their end: in a receive ring or in a
/// worker's hands. 0 when quiet. Those in the rings of a device count at its first edge.
pub fn in_flight(sample: &Sample, edge: &NamedEdge) -> i64 {
    socket(sample, edge).map_or(0, |socket| socket.difference) + path(sample, edge).difference
}

fn gate(sample: &Sample, edge: &NamedEdge) -> Account {
    let gate = sample.gate(edge.id);
    let dropped = dropped_at(sample, edge, Place::Gate);
    // The program counts verdicts; each frame has one.
    let seen = gate.passed + gate.redirected + dropped;
    Account::new(
        Book::Gate,
        &edge.name,
        &[("seen", seen)],
        &[("passed", gate.passed), ("redirected", gate.redirected), ("dropped", dropped)],
    )
}

/// Of the device whose first edge this is: a ring does not tell the edges of its frames apart.
fn socket(sample: &Sample, edge: &NamedEdge) -> Option<Account> {
    sample.topology.first_on(edge.port).filter(|first| first.id == edge.id)?;
    let edges = || sample.topology.edges.iter().filter(|other| other.port == edge.port);
    let redirected =
        |edge: &NamedEdge| sample.gate(edge.id).redirected.wrapping_add_signed(-sample.baseline[edge.id.index()]);
    Some(Account::new(
        Book::Socket,
        &edge.device,
        &[("redirected", edges().map(redirected).fold(0, u64::wrapping_add))],
        &[
            ("read", edges().map(|edge| sample.edge(edge.id).read).sum()),
            ("dropped", dropped_at(sample, edge, Place::Socket)),
        ],
    ))
}

fn path(sample: &Sample, edge: &NamedEdge) -> Account {
    let counts = sample.edge(edge.id);
    Account::new(
        Book::Path,
        &edge.name,
        &[("read", counts.read), ("injected", counts.injected), ("originated", counts.made())],
        &[
            ("sent", counts.sent.iter().sum()),
            ("dropped", counts.dropped_on_path()),
            ("punted", counts.punted),
            ("held", counts.held),
        ],
    )
}

fn dropped_at(sample: &Sample, edge: &NamedEdge, place: Place) -> u64 {
    DropReason::ALL.iter().filter(|reason| reason.place() == place).map(|reason| sample.dropped(edge, *reason)).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::observe::report::SocketCounts;
    use crate::observe::topology::Topology;
    use crate::port::Ledger;
    use crate::snapshot::Role;
    use crate::units::{EdgeId, PortId};

    fn named(id: u8, name: &str, port: u8) -> NamedEdge {
        let device = name.split('.').next().unwrap().to_owned();
        NamedEdge { id: EdgeId(id), name: name.to_owned(), device, port: PortId(port), role: Role::Lan }
    }

    fn sample() -> Sample {
        let edge = named(3, "lan0", 1);
        let mut sample = Sample::empty();
        sample.topology = Arc::new(Topology { edges: vec![edge], ..Topology::default() });
        sample
    }

    fn account(sample: &Sample, book: Book) -> Account {
        accounts(sample).into_iter().find(|account| account.book == book).unwrap()
    }

    #[test]
    fn a_socket_has_one_account_however_many_vlans_its_device_has() {
        let mut sample = sample();
        let edges = vec![named(3, "eth0.20", 1), named(4, "eth0", 1), named(5, "eth1", 2)];
        sample.topology = Arc::new(Topology { edges, ..Topology::default() });
        (sample.gates[3].redirected, sample.edges[3].read) = (10, 10);
        // Two of these did not find room in a ring, which counts at the device's first edge.
        (sample.gates[4].redirected, sample.edges[4].read) = (7, 5);
        sample.sockets.insert((PortId(1), 0), SocketCounts { rx_ring_full: 2, ..SocketCounts::default() });
        let of = |book| accounts(&sample).into_iter().filter(move |account| account.book == book);
        let sockets: Vec<_> = of(Book::Socket).map(|account| (account.of, account.difference)).collect();
        assert_eq!(sockets, [("eth0".to_owned(), 0), ("eth1".to_owned(), 0)]);
        assert_eq!(of(Book::Path).count(), 3);
    }

    #[test]
    fn each_frame_too_few_or_too_many_shows_in_its_book() {
        let mut sample = sample();
        sample.gates[3].redirected = 10;
        sample.baseline[3] = 4;
        sample.edges[3].read = 5;
        assert_eq!(account(&sample, Book::Gate).difference, 0);
        assert_eq!(account(&sample, Book::Socket).difference, 1, "six redirected, five read");
        sample.edges[3].sent[0] = 3;
        sample.edges[3].held = 1;
        assert_eq!(account(&sample, Book::Path).difference, 1);
        sample.edges[3].sent[1] = 2;
        assert_eq!(account(&sample, Book::Path).difference, -1, "one was doubled");
        assert_eq!(in_flight(&sample, &sample.topology.edges[0]), 0);
        sample.workers = vec![crate::observe::sample::WorkerCounts {
            ledger: Ledger { total: 9, free: 2, fill: 3, transmit: 1, in_hand: 1 },
            ..Default::default()
        }];
        assert_eq!(account(&sample, Book::Umem).difference, 2);
    }

    #[test]
    fn every_drop_counter_is_on_some_side_of_some_book() {
        for reason in DropReason::ALL.iter().filter(|reason| reason.place() == Place::Path) {
            let mut sample = sample();
            sample.edges[3].dropped[reason.index()] = 1;
            assert_eq!(account(&sample, Book::Path).difference, -1, "{}", reason.label());
        }
    }
}
