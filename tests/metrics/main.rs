//! What the exporter says, read back as Prometheus would.

mod control;
mod flows;
mod gateway;
mod health;
mod http;
mod parsed;
mod status;

use std::io::Write;
use std::process::{Command, Stdio};

use gateway::{CAPACITY, Gateway, interface};
use parsed::Parsed;
use sixways::flow::{Evicted, State};
use sixways::observe::exposition::render;
use sixways::observe::families;
use sixways::observe::nd_proxy::NdOutcome;
use sixways::observe::prefixes::{CurrentPrefix, FormerPrefix, LearntPrefix};
use sixways::observe::report::QuotaUse;
use sixways::units::{Direction, EdgeId, Nanos, UplinkId};
use sixways::verdict::{DropReason, Place};

/// Traffic of every kind, and then silence.
fn busy_gateway() -> Gateway {
    let mut gateway = Gateway::new(2, 2);
    gateway.forward(0, 0, 1, 3000, 1294);
    gateway.forward(1, 0, 2, 1000, 1294);
    gateway.forward(1, 1, 0, 2500, 94);
    gateway.workers[0].translated(UplinkId(0), Direction::Outbound).add(3000);
    // Dropped by everybody who drops, on the LAN's side.
    let lan = gateway.workers[0].edge(EdgeId(0));
    lan.read.add(12);
    lan.dropped[DropReason::HopLimitExceeded.index()].add(7);
    lan.dropped[DropReason::NoUplink.index()].add(2);
    lan.held.set(3);
    // Answers about the seven, one of which the ring did not take.
    lan.originated.add(6);
    lan.resets.add(1);
    lan.sent[0].add(6);
    lan.dropped[DropReason::TxRingFull.index()].add(1);
    lan.injected.add(4);
    lan.sent[1].add(4);
    lan.errors_suppressed.add(9);
    let gate = &mut gateway.report.gates[0].1;
    gate.redirected += 12 + 5 + 6;
    gate.passed = 100;
    gate.transit = 1;
    gate.own_elsewhere = 2;
    gate.no_socket = 3;
    gate.oversize = 4;
    let sockets = &mut gateway.report.ports[0].sockets;
    sockets[0].rx_ring_full = 5;
    sockets[1].rx_dropped = 6;
    // The same frames again.
    sockets[1].fill_ring_empty = 6;
    let guard = &mut gateway.report.guards[0].1;
    (guard.passed, guard.forwarded, guard.foreign_source) = (50, 8, 9);
    gateway.report.quotas = vec![QuotaUse { isp: "cable".to_owned(), quota: 50_000_000_000, used: 50_000_001_234 }];
    let prefix = |text: &str| text.parse().unwrap();
    gateway.report.prefixes = vec![LearntPrefix {
        isp: "cable".to_owned(),
        learnt_from: "/run/sixways/wan1.prefix".to_owned(),
        current: Some(CurrentPrefix {
            prefix: prefix("2001:db8:2::/48"),
            delegated: prefix("2001:db8:2::/47"),
            age: Nanos::from_millis(3_725_000),
            gone_at: None,
        }),
        former: vec![FormerPrefix { prefix: prefix("2001:db8:7::/48"), until: Nanos(u64::MAX) }],
        trouble: None,
        changes: 2,
    }];
    let memory = &mut gateway.report.memory;
    memory.by_state[State::TcpEstablished as usize] = 4;
    memory.by_state[State::TcpOutbound as usize] = 1;
    memory.by_state[State::TcpInbound as usize] = 1;
    memory.by_state[State::TcpClosing as usize] = 1;
    memory.by_state[State::UdpOutbound as usize] = 1;
    memory.by_state[State::Companion as usize] = 2;
    memory.by_mapping = vec![7, 1];
    let [first, second] = [&gateway.workers[0].flows, &gateway.workers[1].flows];
    first.inserted.add(10_000);
    second.inserted.add(10);
    first.evicted[Evicted::Expired.index()].add(5);
    second.evicted[Evicted::Closing.index()].add(1);
    second.refused.add(3);
    first.moved.add(2);
    second.repinned.add(4);
    first.fragments_inserted.add(6);
    first.fragments_found.add(11);
    second.fragments_evicted.add(8);
    gateway.report.health = health::half_well(gateway.now);
    let neighbours = gateway.observed.nd_counters();
    neighbours.show(UplinkId(1));
    for outcome in [NdOutcome::Answered, NdOutcome::Answered, NdOutcome::NoHost, NdOutcome::RateLimited] {
        neighbours.count(UplinkId(1), outcome);
    }
    for worker in 0..2 {
        gateway.fill(worker);
        gateway.recorders[worker].record(Direction::Outbound, Nanos(1_700));
        gateway.recorders[worker].record(Direction::Outbound, Nanos(90_000));
    }
    gateway.tick();
    gateway
}

fn page(gateway: &Gateway) -> String {
    render(&gateway.observed, gateway.now)
}

#[test]
fn every_family_is_exported_with_its_type_and_nothing_else() {
    let parsed = Parsed::new(&page(&busy_gateway()));
    let listed: Vec<_> = families::ALL.iter().map(|family| (family.name, family.kind.label())).collect();
    for (name, kind) in &listed {
        assert_eq!(parsed.families.get(*name).map(String::as_str), Some(*kind), "{name}");
        assert!(parsed.samples.keys().any(|sample| sample.starts_with(name)), "{name} has no sample");
    }
    assert_eq!(parsed.families.len(), listed.len());
}

#[test]
fn every_reason_is_exported_as_zero_from_the_start() {
    let parsed = Parsed::new(&page(&Gateway::new(2, 1)));
    for edge in 0..3 {
        for reason in DropReason::ALL {
            let name = format!(
                "sixways_drop_packets_total{{interface=\"{}\",reason=\"{}\"}}",
                interface(edge),
                reason.label()
            );
            assert_eq!(parsed.get(&name), 0.0, "{name}");
        }
    }
}

#[test]
fn the_identities_hold_in_the_output_when_quiet() {
    let parsed = Parsed::new(&page(&busy_gateway()));
    for edge in 0..3 {
        let from = format!("interface=\"{}\"", interface(edge));
        let of = |family: &str| parsed.sum(family, &[&from]);
        let dropped = |place: Place| -> f64 {
            let reasons = DropReason::ALL.iter().filter(|reason| reason.place() == place);
            let label = |reason: &DropReason| format!("reason=\"{}\"", reason.label());
            reasons.map(|reason| parsed.sum("sixways_drop_packets_total", &[&from, &label(reason)])).sum()
        };
        let redirected = parsed.sum("sixways_gate_packets_total", &[&from, "verdict=\"redirected\""]);
        let read = of("sixways_rx_packets_total");
        let sent = parsed.sum("sixways_forwarded_packets_total", &[&format!("from=\"{}\"", interface(edge))]);
        assert_eq!(redirected - of("sixways_gate_baseline_packets"), read + dropped(Place::Socket));
        assert_eq!(
            read + of("sixways_injected_packets_total")
                + of("sixways_icmpv6_errors_originated_total")
                + of("sixways_tcp_resets_originated_total"),
            sent + dropped(Place::Path) + of("sixways_punted_packets_total") + of("sixways_held_packets")
        );
        assert_eq!(of("sixways_in_flight_packets"), 0.0);
    }
    assert_eq!(parsed.sum("sixways_drop_packets_total", &["interface=\"lan0\""]), 31.0);
    assert_eq!(parsed.sum("sixways_drop_packets_total", &["reason=\"guard-"]), 17.0);
    assert_eq!(parsed.get("sixways_tx_packets_total{interface=\"wan0\"}"), 3004.0);
    assert_eq!(parsed.get("sixways_tx_bytes_total{interface=\"wan0\"}"), 3000.0 * 1294.0);
    assert_eq!(parsed.sum("sixways_umem_frames", &["worker=\"1\""]), 4096.0);
    assert_eq!(parsed.get("sixways_umem_frames_lost{worker=\"0\"}"), 0.0);
}

#[test]
fn solicitations_are_told_of_isps_with_a_proxy_alone() {
    let parsed = Parsed::new(&page(&busy_gateway()));
    let counted = |isp: &str, outcome: NdOutcome| {
        let labels = [format!("isp=\"{isp}\""), format!("outcome=\"{}\"", outcome.label())];
        parsed.sum("sixways_nd_proxy_solicitations_total", &[&labels[0], &labels[1]])
    };
    let counts = NdOutcome::ALL.map(|outcome| counted("cable", outcome));
    assert_eq!(counts, [2.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    let samples = parsed.samples.keys().filter(|sample| sample.starts_with("sixways_nd_proxy_solicitations_total"));
    assert_eq!(samples.count(), NdOutcome::ALL.len(), "zeros of every outcome, and nothing of the other ISP");
}

#[test]
fn flow_memory_is_summed_over_workers_and_named_by_isp() {
    let parsed = Parsed::new(&page(&busy_gateway()));
    for (sample, value) in [
        ("sixways_flow_records{state=\"established\",protocol=\"tcp\"}", 4.0),
        ("sixways_flow_records{state=\"unanswered\",protocol=\"tcp\"}", 2.0),
        ("sixways_flow_records{state=\"closing\",protocol=\"tcp\"}", 1.0),
        ("sixways_flow_records{state=\"unanswered\",protocol=\"udp\"}", 1.0),
        ("sixways_flow_records{state=\"companion\",protocol=\"any\"}", 2.0),
        ("sixways_isp_flows{isp=\"fiber\"}", 7.0),
        ("sixways_isp_flows{isp=\"cable\"}", 1.0),
        ("sixways_isp_quota_bytes{isp=\"cable\"}", 5e10),
        ("sixways_isp_quota_used_bytes{isp=\"cable\"}", 50_000_001_234.0),
        ("sixways_prefix_changes_total{isp=\"cable\"}", 2.0),
        ("sixways_flow_inserts_total", 10_010.0),
        ("sixways_flow_evictions_total{kind=\"expired\"}", 5.0),
        ("sixways_flow_evictions_total{kind=\"unanswered\"}", 0.0),
        ("sixways_flow_evictions_total{kind=\"closing\"}", 1.0),
        ("sixways_flow_refusals_total", 3.0),
        ("sixways_flow_moves_total", 2.0),
        ("sixways_flow_repins_total", 4.0),
        ("sixways_fragment_inserts_total", 6.0),
        ("sixways_fragment_hits_total", 11.0),
        ("sixways_fragment_evictions_total", 8.0),
        ("sixways_flow_capacity", CAPACITY as f64),
        // Two places a flow: a word of 8 octets and a record of 48.
        ("sixways_flow_memory_bytes", (CAPACITY * 2 * 56) as f64),
    ] {
        assert_eq!(parsed.get(sample), value, "{sample}");
    }
    let series = parsed.samples.keys().filter(|sample| sample.starts_with("sixways_flow_records{"));
    assert_eq!(series.count(), 10);
}

#[test]
fn what_is_on_its_way_is_in_flight() {
    let mut gateway = busy_gateway();
    // Five in the receive ring, two in the batch.
    gateway.report.gates[1].1.redirected += 7;
    gateway.workers[0].edge(EdgeId(1)).read.add(2);
    gateway.tick();
    let parsed = Parsed::new(&page(&gateway));
    assert_eq!(parsed.get("sixways_in_flight_packets{interface=\"wan0\"}"), 7.0);
    assert_eq!(parsed.get("sixways_in_flight_packets{interface=\"lan0\"}"), 0.0);
}

#[test]
fn a_restart_takes_the_pinned_counters_as_its_baseline() {
    let mut gateway = Gateway::new(1, 1);
    gateway.report.gates[0].1.redirected = 1_000_000;
    gateway.observed.open_books(&gateway.report.gates);
    gateway.forward(0, 0, 1, 10, 94);
    gateway.tick();
    let parsed = Parsed::new(&page(&gateway));
    assert_eq!(parsed.get("sixways_gate_packets_total{interface=\"lan0\",verdict=\"redirected\"}"), 1_000_010.0);
    assert_eq!(parsed.get("sixways_in_flight_packets{interface=\"lan0\"}"), 0.0);
}

#[test]
fn a_device_that_comes_back_keeps_the_books_and_the_totals() {
    let mut gateway = Gateway::new(1, 2);
    gateway.forward(1, 0, 1, 10, 94);
    // Five found no room, and two are in the ring when the device goes.
    gateway.report.gates[0].1.redirected += 5 + 2;
    gateway.report.ports[0].sockets[0].rx_ring_full = 5;
    gateway.tick();
    assert_eq!(Parsed::new(&page(&gateway)).get("sixways_in_flight_packets{interface=\"lan0\"}"), 2.0);
    gateway.observed.open_books(&gateway.report.gates);
    // The start fails at first.
    let now = gateway.now;
    gateway.observed.refresh(now, sixways::observe::report::Report::default);
    gateway.observed.open_books(&gateway.report.gates);
    gateway.report.ports[0].sockets[0].rx_ring_full = 1;
    gateway.report.gates[0].1.redirected += 1;
    gateway.forward(0, 0, 1, 10, 94);
    // One worker less: its totals stay, its heartbeat is not missed.
    gateway.observed.start_workers(1);
    gateway.tick();
    let parsed = Parsed::new(&page(&gateway));
    assert_eq!(parsed.get("sixways_in_flight_packets{interface=\"lan0\"}"), 0.0);
    assert_eq!(parsed.get("sixways_xsk_rx_ring_full_total{interface=\"lan0\",queue=\"0\"}"), 6.0);
    assert_eq!(parsed.get("sixways_rx_packets_total{interface=\"lan0\"}"), 20.0);
    assert_eq!(parsed.sum("sixways_worker_iterations_total", &[]), gateway.workers[0].iterations.get() as f64);
    // While the device is away, what its gate and its sockets have counted is not forgotten.
    gateway.report.gates.clear();
    gateway.report.ports.clear();
    gateway.tick();
    let parsed = Parsed::new(&page(&gateway));
    assert_eq!(parsed.sum("sixways_drop_packets_total", &["lan0", "rx-ring-full"]), 6.0);
    assert_eq!(parsed.sum("sixways_xsk_rx_ring_full_total", &["lan0"]), 6.0);
    assert_eq!(Parsed::new(&page(&gateway)).sum("sixways_gate_packets_total", &["lan0", "redirected"]), 28.0);
}

#[test]
fn the_histogram_is_cumulative_and_complete() {
    let parsed = Parsed::new(&page(&busy_gateway()));
    let name = |suffix: &str| format!("sixways_forwarding_duration_seconds_{suffix}");
    let bucket = |le: &str| parsed.get(&format!("{}{{direction=\"outbound\",le=\"{le}\"}}", name("bucket")));
    assert_eq!((bucket("0.0000001"), bucket("0.0000016"), bucket("0.0000032")), (0.0, 0.0, 2.0));
    assert_eq!((bucket("0.0001024"), bucket("0.1048576"), bucket("+Inf")), (4.0, 4.0, 4.0));
    assert_eq!(parsed.get(&format!("{}{{direction=\"outbound\"}}", name("count"))), 4.0);
    let sum = parsed.get(&format!("{}{{direction=\"outbound\"}}", name("sum")));
    assert!((sum - 2.0 * 91.7e-6).abs() < 1e-12, "{sum}");
    let buckets = parsed.samples.keys().filter(|sample| sample.contains("_bucket{direction=\"inbound\""));
    assert_eq!(buckets.count(), 22);
}

#[test]
fn a_large_gateway_stays_within_the_budget_of_series() {
    let mut gateway = Gateway::new(4, 8);
    gateway.tick();
    let series = Parsed::new(&page(&gateway)).samples.len();
    assert!(series < 2000, "{series} series for 4 ISPs and 8 workers");
}

#[test]
fn promtool_finds_nothing_to_say() {
    if std::env::var_os("SIXWAYS_SKIP_PROMTOOL").is_some_and(|skip| skip == "1") {
        eprintln!("skipped: SIXWAYS_SKIP_PROMTOOL=1");
        return;
    }
    let promtool = Command::new("promtool")
        .args(["check", "metrics", "--extended"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = promtool.unwrap_or_else(|error| {
        panic!(
            "promtool cannot be run ({error}); install Debian's package `prometheus`, or set SIXWAYS_SKIP_PROMTOOL=1 \
             to leave this test out"
        )
    });
    promtool.stdin.take().unwrap().write_all(page(&busy_gateway()).as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{}: {complaints}", output.status);
    let series = String::from_utf8_lossy(&output.stdout);
    assert!(series.contains("sixways_drop_packets_total"), "promtool has read something: {series}");
}
