//! Token buckets for the ICMPv6 errors that the gateway makes (RFC 4443 §2.4 f).
//!
//! Per edge and per source; Packet Too Big has buckets of its own, so that a flood of traceroutes
//! never stops path-MTU discovery.

use std::net::Ipv6Addr;

use crate::hash::{FlowKey, HashKey};
use crate::limits::MAX_EDGES;
use crate::snapshot::{ErrorRates, Rate};
use crate::units::{EdgeId, Nanos};
use crate::wire::icmpv6;

/// Sources are hashed into this many buckets; strangers may share one.
const SOURCES: usize = 1024;

/// The buckets of one worker.
#[derive(Debug)]
pub struct ErrorLimiter {
    now: Nanos,
    errors: Buckets,
    too_big: Buckets,
}

#[derive(Debug)]
struct Buckets {
    edges: [Bucket; MAX_EDGES],
    sources: Box<[Bucket; SOURCES]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    credit: u64,
    filled: Nanos,
}

impl Bucket {
    fn fill(&mut self, rate: &Rate, now: Nanos) -> bool {
        self.credit = self.credit.saturating_add(now.since(self.filled).0).min(rate.most);
        self.filled = now;
        self.credit >= rate.cost
    }
}

impl ErrorLimiter {
    /// Full buckets: time starts long after zero.
    pub(super) fn new() -> Self {
        let buckets =
            || Buckets { edges: [Bucket::default(); MAX_EDGES], sources: Box::new([Bucket::default(); SOURCES]) };
        Self { now: Nanos::default(), errors: buckets(), too_big: buckets() }
    }

    /// Tells the time, once per batch.
    pub fn advance(&mut self, now: Nanos) {
        self.now = now;
    }

    /// Whether an error of type `kind` about a packet that came in by `edge` may be sent to
    /// `source` now. Takes the tokens only if every bucket has one.
    pub fn allow(&mut self, rates: &ErrorRates, key: &HashKey, edge: EdgeId, source: Ipv6Addr, kind: u8) -> bool {
        let (buckets, rate) = match kind {
            icmpv6::PACKET_TOO_BIG => (&mut self.too_big, &rates.too_big),
            _ => (&mut self.errors, &rates.edge),
        };
        let edge = &mut buckets.edges[edge.index()];
        let source = &mut buckets.sources[slot(key, source)];
        if !(edge.fill(rate, self.now) & source.fill(&rates.source, self.now)) {
            return false;
        }
        edge.credit -= rate.cost;
        source.credit -= rates.source.cost;
        true
    }
}

/// Keyed, so that nobody can choose to share a bucket with somebody else.
fn slot(key: &HashKey, source: Ipv6Addr) -> usize {
    FlowKey::pair(source, Ipv6Addr::UNSPECIFIED).hash(key) as usize % SOURCES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::KEY_WORDS;
    use crate::limits::ERROR_BURST;

    const SECOND: u64 = 1_000_000_000;
    const KEY: HashKey = HashKey([0x9e37_79b9_7f4a_7c15; KEY_WORDS]);

    fn limiter() -> ErrorLimiter {
        let mut limiter = ErrorLimiter::new();
        limiter.advance(Nanos(1000 * SECOND));
        limiter
    }

    fn count(limiter: &mut ErrorLimiter, tries: u32, kind: u8, source: impl Fn(u32) -> Ipv6Addr) -> u32 {
        (0..tries).filter(|n| limiter.allow(&ErrorRates::default(), &KEY, EdgeId(0), source(*n), kind)).count() as u32
    }

    fn host(n: u32) -> Ipv6Addr {
        Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | u128::from(n) << 64 | 1)
    }

    #[test]
    fn one_source_gets_its_burst_and_then_its_rate() {
        let mut limiter = limiter();
        assert_eq!(u64::from(count(&mut limiter, 1000, 3, |_| host(1))), ERROR_BURST);
        limiter.advance(Nanos(1001 * SECOND));
        assert_eq!(u64::from(count(&mut limiter, 1000, 3, |_| host(1))), 50);
    }

    #[test]
    fn many_sources_share_the_rate_of_the_edge() {
        let mut limiter = limiter();
        assert_eq!(u64::from(count(&mut limiter, 5000, 3, host)), ERROR_BURST);
        assert!(
            limiter.allow(&ErrorRates::default(), &KEY, EdgeId(1), host(9000), 3),
            "another edge has its own bucket"
        );
    }

    #[test]
    fn packet_too_big_has_buckets_of_its_own() {
        let mut limiter = limiter();
        count(&mut limiter, 5000, 3, |_| host(1));
        count(&mut limiter, 5000, 3, host);
        assert!(!limiter.allow(&ErrorRates::default(), &KEY, EdgeId(0), host(1), icmpv6::TIME_EXCEEDED));
        assert!(limiter.allow(&ErrorRates::default(), &KEY, EdgeId(0), host(1), icmpv6::PACKET_TOO_BIG));
    }

    #[test]
    fn a_traceroute_of_thirty_hops_and_three_probes_is_answered_whole() {
        assert_eq!(count(&mut limiter(), 90, 3, |_| host(1)), 90);
    }
}
