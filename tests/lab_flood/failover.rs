//! A thousand UDP flows from inside, two hundred from outside, a flood, and ISP A that fails.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::books::Books;
use super::datagrams::{Datagrams, INSIDE_PORT, OUTSIDE_PORT, Told};
use super::lab::Lab;
use super::lab::gateway::Gateway;
use super::lab::process::eventually;
use super::storm::{Storm, Way};
use super::streams::Ends;
use super::wires::{Name, Sighting, Wires};
use super::{FIRST, IMAGES, WINDOW, h10, outside};

const FROM_INSIDE: u16 = 1000;
const FROM_OUTSIDE: u16 = 200;
/// The hosts outside that are asked, and those that ask.
const ASKED: u16 = 3;
const ASKING: u16 = 4;

pub fn test(lab: &Lab, gateway: &Gateway<'_>) {
    let wires = Wires::watch(lab, &format!("udp port {OUTSIDE_PORT} or udp port {INSIDE_PORT}"));
    let (from_inside, from_outside) = open(lab);
    let before = Books::settled(gateway);
    let storm = Storm::start(lab, Way::Outbound, WINDOW, FIRST[2]);
    eventually("the storm blows", Duration::from_secs(30), || storm.arrived() > 50_000);

    lab.unplug("wan0");
    from_inside.await_answers("all flows from inside go on without ISP A", |_| true);
    from_outside.await_answers("those that came by ISP B go on", |number| !by_a(number));
    // Their servers go on sending to the others: by ISP A, or not at all.
    std::thread::sleep(Duration::from_secs(3));
    let meanwhile = Books::of(gateway);
    assert!(meanwhile.dropped("lan0", "no-uplink") > before.dropped("lan0", "no-uplink"), "{meanwhile:?}");

    lab.plug("wan0");
    from_outside.await_answers("those that came by ISP A are back with it", |_| true);
    from_inside.await_answers("and the flows from inside go on", |_| true);
    // Whatever moves back late.
    std::thread::sleep(Duration::from_secs(4));
    let storm = storm.stop();
    let after = Books::settled(gateway);
    let drops = after.dropped_since(&before);
    println!("        storm: {storm:?}, drops {drops:?}");
    let told = [from_inside.close(), from_outside.close()];
    let seen = wires.finish();
    assert_eq!(seen.len(), usize::from(FROM_INSIDE + FROM_OUTSIDE), "flows at the ISPs");
    let moved = judge(&seen, &told);
    assert_eq!((after.moves - before.moves, after.repins, after.refusals), (moved, 0, 0), "{after:?}");
    // What is lost is lost on its way to ISP A.
    let without_isp = ["no-uplink", "tx-link-down", "neighbour-queue-full", "neighbour-unreachable"];
    let expected =
        |(interface, reason): &(String, String)| interface == "lan0" && without_isp.contains(&reason.as_str());
    assert!(drops.keys().all(expected), "{drops:?}");
}

/// From inside to as many servers, and from outside by both ISPs in turn, the first by ISP A.
fn open(lab: &Lab) -> (Datagrams, Datagrams) {
    let servers = |number| outside(ASKED, number);
    let ends = (0..FROM_INSIDE).map(|number| Ends { client: h10(), server: servers(number) }).collect();
    let at = (0..FROM_INSIDE).map(servers).collect();
    let from_inside = Datagrams::open(lab, ["h10", "srv"], OUTSIDE_PORT, ends, at);
    let client = |number| Ends { client: outside(ASKING, number), server: IMAGES[usize::from(number) % 2] };
    let ends = (0..FROM_OUTSIDE).map(client).collect();
    (from_inside, Datagrams::open(lab, ["srv", "h10"], INSIDE_PORT, ends, BTreeSet::from([h10()])))
}

/// Flows from inside that had ISP A have ISP B from some request on, and the others had ISP B all
/// the time; those from outside have the ISP that they came in by. Returns how many moved.
fn judge(seen: &BTreeMap<Name, BTreeSet<Sighting>>, told: &[Vec<Told>; 2]) -> u64 {
    let mut ways = BTreeMap::<&str, (u64, Told)>::new();
    for ((remote, remote_port, port), sightings) in seen {
        // In the order of requests; an address that changes without the ISP would be a way as well.
        let mut way: Vec<_> = sightings.iter().map(|sighting| (sighting.isp, sighting.source)).collect();
        way.dedup();
        let [a, b] = [(0, IMAGES[0]), (1, IMAGES[1])];
        let [.., group, _, _, number] = remote.segments();
        let number = usize::from(number);
        let (kind, told) = match &way[..] {
            [one] if group == ASKED && *one == b => ("inside, by ISP B", told[0][number]),
            [one, other] if group == ASKED && *one == a && *other == b => {
                ("inside, moved from ISP A to ISP B", told[0][number])
            }
            [one] if group == ASKING && *one == a && by_a(number) => ("outside, by ISP A", told[1][number]),
            [one] if group == ASKING && *one == b && !by_a(number) => ("outside, by ISP B", told[1][number]),
            _ => panic!("{remote} {remote_port} {port} goes this way and that: {sightings:?}"),
        };
        let (count, sum) = ways.entry(kind).or_default();
        *count += 1;
        *sum = Told { asked: sum.asked + told.asked, echoed: sum.echoed + told.echoed };
    }
    for (kind, (count, sum)) in &ways {
        println!("        opened from {kind}: {count} flows, {sum:?}");
        // Who has nothing to do with ISP A loses nothing.
        assert!(!kind.ends_with("by ISP B") || sum.asked == sum.echoed, "{kind}: {sum:?}");
    }
    let moved = ways["inside, moved from ISP A to ISP B"].0;
    assert!(moved > 500 && ways["inside, by ISP B"].0 > 100, "weights 3 and 1: {ways:?}");
    moved
}

/// Whether a flow from outside came in by ISP A.
const fn by_a(number: usize) -> bool {
    number.is_multiple_of(2)
}
