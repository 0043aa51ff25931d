//! A sample in Prometheus' text format, version 0.0.4.
//!
//! Written here rather than by a client library: such libraries own the values that they show or
//! speak OpenMetrics only, whose `# TYPE` lines `promtool check metrics` does not accept.

mod health;

use std::fmt::{Display, Write};
use std::time::Duration;

use super::config::ConfigFacts;
use super::durations::Durations;
use super::families::{self as family, Family, Kind};
use super::latency::Latency;
use super::nd_proxy::NdOutcome;
use super::report::SocketCounts;
use super::sample::{EdgeCounts, Sample};
use super::telling::TellingCounters;
use super::topology::{NamedEdge, Topology};
use super::{accounting, view::Observed};
use crate::flow::Evicted;
use crate::units::{Direction, Nanos};
use crate::verdict::DropReason;

/// The media type of [`render`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Bounds of the duration histogram's buckets: 100 ns and the next 20 doublings, up to 105 ms.
const BUCKET_BOUNDS: [Nanos; 21] = {
    let mut bounds = [Nanos(0); 21];
    let mut k = 0;
    while k < bounds.len() {
        bounds[k] = Nanos(100 << k);
        k += 1;
    }
    bounds
};

/// Everything that `observed` has to show at `now`.
pub fn render(observed: &Observed, now: Nanos) -> String {
    let sample = observed.sample();
    let mut page = Page(String::with_capacity(64 * 1024));
    page.one(&family::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1);
    page.one(&family::START_TIME, &[], observed.started().as_secs_f64());
    page.one(&family::GENERATION, &[], sample.topology.generation);
    configuration(&mut page, &observed.config());
    interfaces(&mut page, &sample);
    packets(&mut page, &sample);
    isps(&mut page, &sample);
    flows(&mut page, &sample);
    durations(&mut page, &sample);
    frames(&mut page, &sample);
    sockets(&mut page, &sample);
    telling(&mut page, observed.telling());
    workers(&mut page, &sample, &observed.heartbeat_ages(now));
    page.0
}

fn configuration(page: &mut Page, config: &ConfigFacts) {
    page.one(&family::CONFIG_INFO, &[&config.sha256], 1);
    page.one(&family::CONFIG_SUCCESSFUL, &[], u8::from(config.failure.is_none()));
    page.one(&family::CONFIG_SUCCESS_TIME, &[], config.since.as_secs_f64());
    page.one(&family::CONFIG_FILE_DIFFERS, &[], u8::from(config.differs_since.is_some()));
}

fn interfaces(page: &mut Page, sample: &Sample) {
    page.family(&family::INTERFACE_INFO, |rows| {
        for edge in &sample.topology.edges {
            let Some(port) = sample.port(edge.port) else { continue };
            let role = Topology::role_label(edge.role);
            rows.row(&[&edge.name, role, &port.mode, &port.driver, &port.queues.to_string()], 1);
        }
    });
    page.by_edge(&family::INTERFACE_UP, sample, |edge| u64::from(sample.port(edge.port).is_some_and(|port| port.up)));
}

fn packets(page: &mut Page, sample: &Sample) {
    let counted = |of: fn(&EdgeCounts) -> u64| move |edge: &NamedEdge| of(sample.edge(edge.id));
    page.by_edge(&family::RX_PACKETS, sample, counted(|edge| edge.read));
    page.by_edge(&family::RX_BYTES, sample, counted(|edge| edge.read_bytes));
    page.by_edge(&family::TX_PACKETS, sample, |edge| sample.left_by(edge.id).0);
    page.by_edge(&family::TX_BYTES, sample, |edge| sample.left_by(edge.id).1);
    page.family(&family::GATE_PACKETS, |rows| {
        for edge in &sample.topology.edges {
            let gate = sample.gate(edge.id);
            rows.row(&[&edge.name, "passed"], gate.passed);
            rows.row(&[&edge.name, "redirected"], gate.redirected);
        }
    });
    page.by_edge(&family::GATE_BASELINE, sample, |edge| sample.baseline[edge.id.index()]);
    page.family(&family::GUARD_PACKETS, |rows| {
        for isp in &sample.topology.isps {
            let Some(edge) = sample.topology.edges.iter().find(|edge| edge.id == isp.edge) else { continue };
            rows.row(&[&edge.name, "passed"], sample.guard(edge.id).passed);
        }
    });
    page.family(&family::DROP_PACKETS, |rows| {
        for edge in &sample.topology.edges {
            for reason in DropReason::ALL {
                rows.row(&[&edge.name, reason.label()], sample.dropped(edge, *reason));
            }
        }
    });
    page.family(&family::FORWARDED, |rows| {
        for from in &sample.topology.edges {
            for to in &sample.topology.edges {
                rows.row(&[&from.name, &to.name], sample.edge(from.id).sent[to.id.index()]);
            }
        }
    });
    page.family(&family::TRANSLATED, |rows| {
        for isp in &sample.topology.isps {
            for direction in Direction::ALL {
                rows.row(&[&isp.name, direction.label()], sample.translated(isp.id, direction));
            }
        }
    });
    page.by_edge(&family::INJECTED, sample, counted(|edge| edge.injected));
    page.by_edge(&family::PUNTED, sample, counted(|edge| edge.punted));
    page.by_edge(&family::HELD, sample, counted(|edge| edge.held));
    page.by_edge(&family::IN_FLIGHT, sample, |edge| accounting::in_flight(sample, edge));
    page.by_edge(&family::ERRORS_ORIGINATED, sample, counted(|edge| edge.originated));
    page.by_edge(&family::TCP_RESETS, sample, counted(|edge| edge.resets));
    page.by_edge(&family::ERRORS_SUPPRESSED, sample, counted(|edge| edge.errors_suppressed));
}

fn isps(page: &mut Page, sample: &Sample) {
    let isps = &sample.topology.isps;
    page.family(&family::ISP_UP, |rows| isps.iter().for_each(|isp| rows.row(&[&isp.name], u64::from(isp.usable))));
    health::health(page, &sample.report.health);
    page.family(&family::ISP_SHARE, |rows| isps.iter().for_each(|isp| rows.row(&[&isp.name], isp.share)));
    let quotas = &sample.report.quotas;
    page.family(&family::ISP_QUOTA, |rows| quotas.iter().for_each(|used| rows.row(&[&used.isp], used.quota)));
    page.family(&family::ISP_QUOTA_USED, |rows| quotas.iter().for_each(|used| rows.row(&[&used.isp], used.used)));
    let prefixes = &sample.report.prefixes;
    page.family(&family::PREFIX_CHANGES, |rows| prefixes.iter().for_each(|of| rows.row(&[&of.isp], of.changes)));
    page.family(&family::ISP_FLOWS, |rows| isps.iter().for_each(|isp| rows.row(&[&isp.name], sample.flows_of(isp))));
    page.family(&family::ND_PROXY, |rows| {
        for isp in isps {
            let Some(counts) = sample.nd_proxy(isp.id) else { continue };
            NdOutcome::ALL.iter().for_each(|outcome| rows.row(&[&isp.name, outcome.label()], counts[outcome.index()]));
        }
    });
}

fn flows(page: &mut Page, sample: &Sample) {
    let (memory, counts) = (&sample.report.memory, &sample.flows);
    page.family(&family::FLOW_RECORDS, |rows| {
        for ((stage, class), records) in memory.by_stage_and_class() {
            rows.row(&[stage.label(), class], records);
        }
    });
    page.one(&family::FLOW_CAPACITY, &[], memory.capacity);
    page.one(&family::FLOW_MEMORY, &[], memory.octets);
    page.one(&family::FLOW_INSERTS, &[], counts.inserted);
    page.family(&family::FLOW_EVICTIONS, |rows| {
        Evicted::ALL.iter().for_each(|kind| rows.row(&[kind.label()], counts.evicted[kind.index()]));
    });
    page.one(&family::FLOW_REFUSALS, &[], counts.refused);
    page.one(&family::FLOW_MOVES, &[], counts.moved);
    page.one(&family::FLOW_REPINS, &[], counts.repinned);
    page.one(&family::FRAGMENT_INSERTS, &[], counts.fragments_inserted);
    page.one(&family::FRAGMENT_HITS, &[], counts.fragments_found);
    page.one(&family::FRAGMENT_EVICTIONS, &[], counts.fragments_evicted);
}

fn durations(page: &mut Page, sample: &Sample) {
    page.family(&family::FORWARDING_DURATION, |rows| {
        for direction in Direction::ALL {
            rows.histogram(direction.label(), &sample.latency[direction.index()]);
        }
    });
}

fn frames(page: &mut Page, sample: &Sample) {
    page.family(&family::UMEM_FRAMES, |rows| {
        for (worker, counts) in sample.workers.iter().enumerate() {
            let ledger = counts.ledger;
            let places = [
                ("free", ledger.free),
                ("fill", ledger.fill),
                ("transmit", ledger.transmit),
                ("in_hand", ledger.in_hand),
            ];
            for (place, count) in places {
                rows.row(&[&worker.to_string(), place], count);
            }
        }
    });
    page.by_worker(&family::UMEM_LOST, sample.workers.iter().map(|counts| counts.ledger.lost()));
}

fn sockets(page: &mut Page, sample: &Sample) {
    page.by_queue(&family::XSK_RX_DROPPED, sample, |socket| socket.rx_dropped);
    page.by_queue(&family::XSK_RX_RING_FULL, sample, |socket| socket.rx_ring_full);
    page.by_queue(&family::XSK_FILL_RING_EMPTY, sample, |socket| socket.fill_ring_empty);
    page.by_queue(&family::XSK_RX_INVALID, sample, |socket| socket.rx_invalid);
    page.by_queue(&family::XSK_TX_INVALID, sample, |socket| socket.tx_invalid);
}

fn telling(page: &mut Page, counters: &TellingCounters) {
    page.one(&family::EVENTS_WRITTEN, &[], counters.written.get());
    page.one(&family::EVENTS_LOST, &[], counters.lost.get());
    page.family(&family::NOTIFICATIONS, |rows| {
        for (target, delivered) in [("exec", &counters.exec), ("webhook", &counters.webhook)] {
            rows.row(&[target, "sent"], delivered.sent.get());
            rows.row(&[target, "failed"], delivered.failed.get());
        }
    });
    page.one(&family::NOTIFICATIONS_SUPPRESSED, &[], counters.suppressed.get());
    page.family(&family::FAILOVER_DURATION, |rows| {
        counters.failovers.each(|cause, durations| rows.durations(&[cause], durations));
    });
}

fn workers(page: &mut Page, sample: &Sample, ages: &[Nanos]) {
    page.by_worker(&family::WORKER_ITERATIONS, sample.workers.iter().map(|counts| counts.iterations));
    page.by_worker(&family::WORKER_BUSY, sample.workers.iter().map(|counts| counts.busy_iterations));
    page.by_worker(&family::WORKER_HEARTBEAT, ages.iter().map(|age| seconds(*age)));
}

fn seconds(span: Nanos) -> f64 {
    Duration::from_nanos(span.0).as_secs_f64()
}

/// The text so far.
struct Page(String);

impl Page {
    fn family(&mut self, family: &Family, fill: impl FnOnce(&mut Rows<'_>)) {
        self.line(format_args!("# HELP {} {}", family.name, family.help));
        self.line(format_args!("# TYPE {} {}", family.name, family.kind.label()));
        fill(&mut Rows { page: self, family });
    }

    fn one(&mut self, family: &Family, labels: &[&str], value: impl Display) {
        self.family(family, |rows| rows.row(labels, value));
    }

    fn by_edge<V: Display>(&mut self, family: &Family, sample: &Sample, value: impl Fn(&NamedEdge) -> V) {
        self.family(family, |rows| {
            for edge in &sample.topology.edges {
                rows.row(&[&edge.name], value(edge));
            }
        });
    }

    fn by_worker<V: Display>(&mut self, family: &Family, values: impl Iterator<Item = V>) {
        self.family(family, |rows| {
            for (worker, value) in values.enumerate() {
                rows.row(&[&worker.to_string()], value);
            }
        });
    }

    fn by_queue(&mut self, family: &Family, sample: &Sample, value: impl Fn(&SocketCounts) -> u64) {
        self.family(family, |rows| {
            for ((port, queue), socket) in &sample.sockets {
                let Some(edge) = sample.topology.first_on(*port) else { continue };
                rows.row(&[&edge.device, &queue.to_string()], value(socket));
            }
        });
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{text}");
    }
}

/// The rows of one family.
struct Rows<'a> {
    page: &'a mut Page,
    family: &'a Family,
}

impl Rows<'_> {
    fn row(&mut self, labels: &[&str], value: impl Display) {
        debug_assert_eq!(labels.len(), self.family.labels.len(), "{}", self.family.name);
        debug_assert_ne!(self.family.kind, Kind::Histogram);
        self.write("", &labelled(self.family.labels, labels), value);
    }

    fn histogram(&mut self, label: &str, latency: &Latency) {
        let buckets = BUCKET_BOUNDS.iter().map(|bound| (*bound, latency.at_most(*bound)));
        self.buckets(&[label], buckets, latency.count(), Nanos(latency.sum()));
    }

    fn durations(&mut self, labels: &[&str], durations: &Durations) {
        self.buckets(labels, durations.cumulative(), durations.count(), durations.sum());
    }

    fn buckets(&mut self, labels: &[&str], buckets: impl Iterator<Item = (Nanos, u64)>, count: u64, sum: Nanos) {
        let own = labelled(self.family.labels, labels);
        for (bound, at_most) in buckets {
            let le = seconds(bound).to_string();
            self.write("_bucket", &format!("{own},{}", labelled(&["le"], &[&le])), at_most);
        }
        self.write("_bucket", &format!("{own},{}", labelled(&["le"], &["+Inf"])), count);
        self.write("_sum", &own, seconds(sum));
        self.write("_count", &own, count);
    }

    fn write(&mut self, suffix: &str, labels: &str, value: impl Display) {
        let name = self.family.name;
        if labels.is_empty() {
            self.page.line(format_args!("{name}{suffix} {value}"));
        } else {
            self.page.line(format_args!("{name}{suffix}{{{labels}}} {value}"));
        }
    }
}

/// `name="value"` pairs, the values escaped.
fn labelled(names: &[&str], values: &[&str]) -> String {
    let mut text = String::new();
    for (name, value) in names.iter().zip(values) {
        let comma = if text.is_empty() { "" } else { "," };
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}{name}=\"{value}\"");
    }
    text
}
