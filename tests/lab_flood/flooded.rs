//! A thousand TCP streams, half of which are silent, and ten times as many new flows as the memory is
//! made for.

use std::time::{Duration, Instant};

use super::books::{Books, flows};
use super::lab::Lab;
use super::lab::gateway::Gateway;
use super::storm::{Storm, Way};
use super::streams::{Ends, Streams};
use super::tcp::Tcp;
use super::wires::Wires;
use super::{FIRST, IMAGES, WINDOW, h10, outside};

const FROM_INSIDE: u16 = 800;
const FROM_OUTSIDE: u16 = 200;
/// Parts of the flood that are compared.
const PARTS: u64 = 10;
/// What the process may need more, for whatever reason: two octets for each flow of the flood.
const MORE_MEMORY: u64 = 4 << 20;

/// A part of the flood.
#[derive(Clone, Copy, Debug)]
struct Part {
    processor_time_per_flow: Duration,
    resident: u64,
}

pub fn test(lab: &Lab, gateway: &Gateway<'_>, total: u64) {
    let wires = Wires::watch(lab, "tcp");
    let streams = open_streams(lab);
    let (before, tcp) = (Books::settled(gateway), Tcp::of(lab));
    let established = || flows(gateway, &["state=established", "proto=tcp"]);
    assert_eq!(established(), u64::from(FROM_INSIDE + FROM_OUTSIDE));

    let start = Instant::now();
    let storms = [Way::Outbound, Way::Inbound].map(|way| Storm::start(lab, way, WINDOW, FIRST[0]));
    let parts = watch(gateway, &storms, &streams, total);
    let [outbound, inbound] = storms.map(Storm::stop);
    let arrived = outbound.arrived + inbound.arrived;
    println!(
        "        {arrived} flows (outbound {outbound:?}, inbound {inbound:?}) in {:?}, capacity {}",
        start.elapsed(),
        before.capacity
    );
    assert_eq!(established(), u64::from(FROM_INSIDE + FROM_OUTSIDE));
    streams.iter().for_each(Streams::wake);
    let after = Books::settled(gateway);
    let tcp = Tcp::of(lab).since(&tcp);
    println!("        evictions {:?}, streams {tcp:?}", after.evictions);

    // Each new flow had a record, made in the place of another new one.
    assert!(after.inserts - before.inserts >= arrived, "{before:?} {after:?}");
    assert!(arrived > 5 * after.capacity, "the memory was not overrun: {after:?}");
    let evicted = after.evictions["unanswered"] - before.evictions["unanswered"];
    assert!(evicted + 2 * after.capacity > arrived, "there are two places for each flow of the capacity: {after:?}");
    // No established one gave way, moved, or was forgotten.
    assert_eq!((after.refusals, after.moves, after.repins), (0, 0, 0), "{after:?}");
    assert_eq!(established(), u64::from(FROM_INSIDE + FROM_OUTSIDE));
    // And no packet was dropped but those to closed ports.
    let mut drops = after.dropped_since(&before);
    let refused = drops.remove(&("wan0".to_owned(), "inbound-filter".to_owned())).unwrap_or(0);
    assert!(drops.is_empty(), "{drops:?}");
    let missing = i128::from(Way::Inbound.closed(inbound.sent)) - i128::from(refused);
    assert!((0..=i128::from(tcp.lost_on_cables)).contains(&missing), "{refused} refused of {inbound:?}");
    // What was sent again had come: but for what a cable lost, it was late and not lost.
    assert!(tcp.again <= tcp.twice + tcp.lost_on_cables, "{tcp:?}");
    constant(&before, &after, &parts);

    overload(lab, gateway, &after);
    assert_eq!(established(), u64::from(FROM_INSIDE + FROM_OUTSIDE));
    judge(streams, wires);
}

/// From inside to as many servers, and from outside by both ISPs.
fn open_streams(lab: &Lab) -> [Streams; 2] {
    let outbound = (1..=FROM_INSIDE).map(|number| Ends { client: h10(), server: outside(1, number) });
    let inbound = (1..=FROM_OUTSIDE).map(|number| Ends { client: outside(2, number), server: IMAGES[asked(number)] });
    [Streams::open(lab, "h10", "srv", outbound.collect()), Streams::open(lab, "srv", "h10", inbound.collect())]
}

/// The ISP by which this client from outside comes in: of either, every other one is silent.
fn asked(client: u16) -> usize {
    usize::from(client / 2) % 2
}

/// Waits for the end of the flood, and takes the gateway's numbers in between.
fn watch(gateway: &Gateway<'_>, storms: &[Storm], streams: &[Streams], total: u64) -> Vec<Part> {
    let arrived = || storms.iter().map(Storm::arrived).sum::<u64>();
    let mut last = (0, gateway.processor_time());
    let part = |part| {
        let start = Instant::now();
        while arrived() < total * part / PARTS {
            std::thread::sleep(Duration::from_millis(20));
            streams.iter().for_each(Streams::assert_alive);
            assert!(start.elapsed() < Duration::from_secs(60), "{} flows have arrived", arrived());
        }
        let now = (arrived(), gateway.processor_time());
        let per_flow = (now.1 - last.1) / u32::try_from(now.0 - last.0).expect("a part");
        last = now;
        Part { processor_time_per_flow: per_flow, resident: gateway.resident() }
    };
    (1..=PARTS).map(part).collect()
}

/// Memory and time for each flow are the same at the end as at the beginning.
fn constant(before: &Books, after: &Books, parts: &[Part]) {
    let times: Vec<Duration> = parts.iter().map(|part| part.processor_time_per_flow).collect();
    println!("        processor time for each new flow, by parts of the flood: {times:?}");
    println!("        resident memory: {} MiB, {} MiB", parts[0].resident >> 20, parts[parts.len() - 1].resident >> 20);
    let fastest = |times: &[Duration]| times.iter().min().copied().expect("some parts");
    // Other work on this machine takes its share of the caches: a bound for what grows with flows.
    assert!(fastest(&times[times.len() - 3..]) < 3 * fastest(&times[..3]), "{times:?}");
    assert_eq!((before.capacity, before.octets), (after.capacity, after.octets));
    let growth = parts.iter().map(|part| part.resident).max().expect("some parts").saturating_sub(parts[0].resident);
    assert!(growth < MORE_MEMORY, "{growth} octets more: {parts:?}");
}

/// More than the gateway can carry: the kernel drops at the full ring, whatever it is. The streams
/// retransmit, and all else is as before.
fn overload(lab: &Lab, gateway: &Gateway<'_>, before: &Books) {
    let tcp = Tcp::of(lab);
    let storm = Storm::start(lab, Way::Outbound, u64::MAX, FIRST[1]);
    std::thread::sleep(Duration::from_secs(3));
    let storm = storm.stop();
    let after = Books::settled(gateway);
    let drops = after.dropped_since(before);
    println!("        overload: {storm:?}, {drops:?}, streams {:?}", Tcp::of(lab).since(&tcp));
    let at_the_ring = |(interface, reason): &(String, String)| {
        interface == "lan0" && ["rx-ring-full", "fill-ring-empty"].contains(&reason.as_str())
    };
    assert!(!drops.is_empty() && drops.keys().all(at_the_ring), "{drops:?}");
    assert_eq!((after.refusals, after.moves, after.repins), (0, 0, 0), "{after:?}");
}

/// Every stream went on to the end, and bore one address of one ISP all the time.
fn judge(streams: [Streams; 2], wires: Wires) {
    for streams in streams {
        let told = streams.close();
        let slowest = told.iter().map(|told| told.slowest).max().expect("streams");
        let echoed: u64 = told.iter().map(|told| told.echoed).sum();
        println!("        {} streams: {echoed} messages echoed, the slowest in {slowest:?}", told.len());
    }
    let seen = wires.finish();
    assert_eq!(seen.len(), usize::from(FROM_INSIDE + FROM_OUTSIDE), "flows at the ISPs");
    let mut by_isp = [0; 2];
    for ((remote, remote_port, port), sightings) in &seen {
        let bearing: Vec<_> = sightings.iter().collect();
        let [one] = bearing[..] else { panic!("{remote} {remote_port} {port} changed: {bearing:?}") };
        assert_eq!(one.source, IMAGES[one.isp]);
        by_isp[one.isp] += 1;
        // Those from outside have the ISP that they came in by.
        if remote.segments()[4] == 2 {
            assert_eq!(one.isp, asked(remote.segments()[7]), "{remote}");
        }
    }
    println!("        streams by ISP: {by_isp:?}");
    assert!(by_isp.iter().all(|count| *count > usize::from(FROM_OUTSIDE) / 2), "both ISPs: {by_isp:?}");
}
