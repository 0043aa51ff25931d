//! Every row of the guard's table of verdicts, by packets run through the program that is
//! attached; and the same guard as a filter of clsact.

use aya::programs::tc::{NlOptions, TcAttachOptions};
use aya::programs::{ProgramInfo, SchedClassifier, TcAttachType};
use sixways::snapshot::GuardAction;
use sixways::units::MacAddr;
use sixways::xdp::{Guard, GuardAttach, release};

use crate::lab::traffic::{ping, unanswered};
use crate::lab::{Lab, SERVER};
use crate::stand::{assert_bare, frame, guard_a, in_force, in_gateway, pin, pins, prefix, program, run_once};

const TO: MacAddr = MacAddr([2, 0x5e, 0, 0, 0, 9]);
const INSIDE: &str = "fd12:3456:789a:10::10";
const OWN: &str = "2001:db8:a::2";
const DMZ: &str = "2001:db8:1:d::80";
const NEXT: u32 = u32::MAX;
const SHOT: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Uncounted,
    Pass,
    Forwarded,
    ForeignSource,
}
use Verdict::{ForeignSource, Forwarded, Pass, Uncounted};

fn packet(source: &str) -> Vec<u8> {
    frame(TO, None, source, SERVER, 40)
}

fn tagged(tag: u16, source: &str) -> Vec<u8> {
    frame(TO, Some(tag), source, SERVER, 40)
}

fn ipv4(mut frame: Vec<u8>) -> Vec<u8> {
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    frame
}

/// What it is, the packet, whether it came in by another device, the verdict.
type Case = (&'static str, Vec<u8>, bool, Verdict);

fn cases() -> Vec<Case> {
    vec![
        ("IPv4", ipv4(packet(INSIDE)), false, Uncounted),
        ("forwarded IPv4", ipv4(packet(INSIDE)), true, Uncounted),
        ("own, this ISP's link", packet(OWN), false, Pass),
        ("own, this ISP's prefix", packet("2001:db8:1:1::1"), false, Pass),
        ("own, the DMZ's prefix", packet("2001:db8:1:d::1"), false, Pass),
        ("own, link-local", packet("fe80::2"), false, Pass),
        ("own, unspecified as in DAD", packet("::"), false, Pass),
        ("own, an address that nobody knows yet", packet("2001:db8:77::1"), false, Pass),
        ("own, inside", packet(INSIDE), false, ForeignSource),
        ("own, somebody's unique local address", packet("fdff::1"), false, ForeignSource),
        ("own, the other ISP's prefix", packet("2001:db8:2:1::1"), false, ForeignSource),
        ("own, the other ISP's link", packet("2001:db8:b::2"), false, ForeignSource),
        ("forwarded, routed DMZ", packet(DMZ), true, Pass),
        ("forwarded, inside", packet(INSIDE), true, Forwarded),
        ("forwarded, this ISP's prefix outside the DMZ", packet("2001:db8:1:1::1"), true, Forwarded),
        ("forwarded, this ISP's link", packet(OWN), true, Forwarded),
        ("forwarded, the other ISP's prefix", packet("2001:db8:2:1::1"), true, Forwarded),
        ("forwarded, link-local", packet("fe80::9"), true, Forwarded),
        ("forwarded, nobody's address", packet("2001:db8:77::1"), true, Forwarded),
        ("VLAN 0 is this link", tagged(0, INSIDE), false, ForeignSource),
        ("VLAN 0 with a priority", tagged(6 << 13, INSIDE), true, Forwarded),
        ("VLAN 0, a good source", tagged(0, OWN), false, Pass),
        ("another VLAN is another link", tagged(7, INSIDE), true, Uncounted),
    ]
}

pub fn every_packet_has_its_verdict_and_counts_once(lab: &Lab) {
    in_gateway(lab, || {
        // Where no packet of the kernel's own disturbs the counts.
        crate::stand::quiet_device(lab, "quiet0");
        let mut table = guard_a();
        table.interface = "quiet0".to_owned();
        table.ifindex = crate::stand::device("quiet0").index;
        let mut guard = Guard::set(&pins(lab), &table, GuardAttach::Auto).expect("a guard");
        let runner = program(in_force(lab, "guard_link", "quiet0").program);
        let wrong: Vec<_> = cases().iter().filter_map(|case| check(&runner, &guard, case)).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));

        table.sources.retain(|(source, _)| *source != prefix("2001:db8:b::/64"));
        table.sources.push((prefix("2001:db8:77::/48"), GuardAction::Forward));
        guard.apply(&table).expect("a new table");
        for case in [
            ("a source that went", packet("2001:db8:b::2"), false, Pass),
            ("a source that came", packet("2001:db8:77::1"), true, Pass),
            ("a source that stayed", packet(INSIDE), false, ForeignSource),
        ] {
            assert_eq!(check(&runner, &guard, &case), None);
        }

        // The device of a VLAN may tag its frames before they come to the guard (`reorder_hdr off`).
        drop(guard);
        table.vlan = Some(7);
        let guard = Guard::set(&pins(lab), &table, GuardAttach::Auto).expect("a guard in place of the former");
        let runner = program(in_force(lab, "guard_link", "quiet0").program);
        for case in [
            ("without a tag", packet(INSIDE), true, Forwarded),
            ("its own tag", tagged(7, INSIDE), true, Forwarded),
            ("its own tag with a priority", tagged(5 << 13 | 7, INSIDE), false, ForeignSource),
            ("its own tag, a good source", tagged(7, OWN), false, Pass),
            ("another tag", tagged(8, INSIDE), true, Uncounted),
        ] {
            assert_eq!(check(&runner, &guard, &case), None);
        }
    });
}

fn check(runner: &ProgramInfo, guard: &Guard, (name, packet, forwarded, verdict): &Case) -> Option<String> {
    // `struct __sk_buff` up to `ingress_ifindex`, its tenth word; the loopback's index is 1.
    let mut context = [0_u8; 192];
    context[36..40].copy_from_slice(&u32::from(*forwarded).to_ne_bytes());
    let before = guard.counts().expect("counts");
    let (code, _) = run_once(runner, packet, &context);
    let after = guard.counts().expect("counts");
    let mut expected = before;
    match verdict {
        Uncounted => {}
        Pass => expected.passed += 1,
        Forwarded => expected.forwarded += 1,
        ForeignSource => expected.foreign_source += 1,
    }
    let expected_code = if matches!(verdict, Uncounted | Pass) { NEXT } else { SHOT };
    (code != expected_code || after != expected)
        .then(|| format!("{name}: {code:#x} for {verdict:?}, counted {before:?} -> {after:?}"))
}

/// What stops F 1 and F 4: the kernel's own forwarding, and a host that picks an inside source.
pub fn only_what_is_this_isps_own_leaves(lab: &Lab) {
    let [clean, _] = lab.isp_counts();
    unanswered(lab, "h10", SERVER, 3);
    own_inside_source(lab);
    let [leak, _] = lab.isp_counts();
    let leaked = (leak.internal - clean.internal, leak.foreign - clean.foreign);
    assert_eq!(leaked, (6, 0), "without a guard all of it leaks");
    for attach in [GuardAttach::Auto, GuardAttach::Clsact] {
        let guard = in_gateway(lab, || Guard::set(&pins(lab), &guard_a(), attach).expect("a guard"));
        let before = guard.counts().expect("counts");
        unanswered(lab, "h10", SERVER, 3);
        own_inside_source(lab);
        unanswered(lab, "gw", &format!("-I {} {SERVER}", lab.own["wan1"]), 2);
        let after = guard.counts().expect("counts");
        assert_eq!(after.forwarded - before.forwarded, 3, "{attach:?}");
        // ping tries again what its own kernel refuses to send.
        assert!(after.foreign_source - before.foreign_source >= 5, "{attach:?}: {before:?}, {after:?}");

        // What must go on: own traffic, neighbour discovery, the routed DMZ, both ways.
        lab.sh("gw", "ip -6 neigh flush dev wan0");
        assert_eq!(ping(lab, "gw", &format!("-I {} {SERVER}", lab.own["wan0"]), 3, 10), 3, "{attach:?}");
        assert_eq!(ping(lab, "dmz", SERVER, 3, 10), 3, "{attach:?}");
        assert_eq!(ping(lab, "srv", crate::lab::DMZ_HOST, 3, 10), 3, "{attach:?}");
        let passed = guard.counts().expect("counts").passed - after.passed;
        assert!(passed >= 9, "{passed} packets passed");
        let [now, _] = lab.isp_counts();
        assert_eq!((now.internal, now.foreign), (leak.internal, leak.foreign), "{attach:?}");
    }
}

/// Three echo requests from the gateway itself, with an inside source.
fn own_inside_source(lab: &Lab) {
    unanswered(lab, "gw", &format!("-I {} {SERVER}", lab.own["lan0"]), 3);
}

pub fn the_clsact_filter_is_replaced_and_released(lab: &Lab) {
    let filters = || lab.sh("gw", "tc filter show dev wan0 egress").matches("direct-action").count();
    let qdiscs = || lab.sh("gw", "tc qdisc show dev wan0 clsact").lines().count();
    in_gateway(lab, || {
        for _ in 0..3 {
            Guard::set(&pins(lab), &guard_a(), GuardAttach::Clsact).expect("a guard");
            assert_eq!((filters(), qdiscs()), (1, 1));
        }
        let [before, _] = lab.isp_counts();
        unanswered(lab, "h10", SERVER, 2);
        assert_eq!(lab.isp_counts()[0], before, "the filter stays without a process");
        assert_eq!(release(pins(lab)).expect("release").interfaces, ["wan0"]);
        assert_bare(lab, "wan0");
        assert_eq!(qdiscs(), 0, "the queueing discipline was ours");

        // Somebody else's filter keeps the queueing discipline.
        Guard::set(&pins(lab), &guard_a(), GuardAttach::Clsact).expect("a guard");
        let theirs = somebody_elses_filter(lab);
        release(pins(lab)).expect("release");
        assert_bare(lab, "wan0");
        assert_eq!(qdiscs(), 1);
        assert!(lab.sh("gw", "tc filter show dev wan0 ingress").contains("direct-action"));
        drop(theirs);

        // A queueing discipline that was there before us stays, too.
        lab.sh("gw", "tc qdisc del dev wan0 clsact");
        lab.sh("gw", "tc qdisc add dev wan0 clsact");
        Guard::set(&pins(lab), &guard_a(), GuardAttach::Clsact).expect("a guard");
        release(pins(lab)).expect("release");
        assert_bare(lab, "wan0");
        assert_eq!(qdiscs(), 1);

        // From clsact to tcx and back: never two guards, which would count twice.
        Guard::set(&pins(lab), &guard_a(), GuardAttach::Clsact).expect("a guard");
        Guard::set(&pins(lab), &guard_a(), GuardAttach::Auto).expect("a guard");
        assert_eq!(filters(), 0);
        assert!(pin(lab, "guard_link", "wan0").is_some());
        Guard::set(&pins(lab), &guard_a(), GuardAttach::Clsact).expect("a guard");
        assert_eq!(filters(), 1);
        assert!(pin(lab, "guard_link", "wan0").is_none());
        release(pins(lab)).expect("release");
    });
}

/// A filter at the ingress of wan0; it goes with the value.
fn somebody_elses_filter(lab: &Lab) -> SchedClassifier {
    let mut table = guard_a();
    crate::stand::quiet_device(lab, "quiet0");
    table.interface = "quiet0".to_owned();
    table.ifindex = crate::stand::device("quiet0").index;
    let _any_classifier = Guard::set(&pins(lab), &table, GuardAttach::Auto).expect("a guard");
    let info = program(in_force(lab, "guard_link", "quiet0").program);
    let mut classifier = SchedClassifier::from_program_info(info, "other".into()).expect("a classifier");
    let options = TcAttachOptions::Netlink(NlOptions { priority: 50, ..NlOptions::default() });
    classifier.attach_with_options("wan0", TcAttachType::Ingress, options).expect("a filter");
    classifier
}
