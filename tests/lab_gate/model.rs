//! The Rust model of the gate against the program that is attached: the same frames, the same
//! verdicts, counted at the same edge, and the same frame afterwards.

use sixways::observe::report::GateCounts;
use sixways::snapshot::{GateVerdict, MARK};
use sixways::units::EdgeId;
use sixways::xdp::Gate;

use crate::gate_verdicts::{Runner, cases, own, plus, tables};
use crate::random::Random;
use crate::stand::OPTIONS;

/// Frames made up for one comparison.
const RANDOM: usize = 5000;

/// Compares program and model on every case of the table of verdicts and on random relatives of
/// them.
pub fn agrees(runner: &Runner, gate: &Gate) {
    let (port, own) = (tables(), own());
    let known: Vec<Vec<u8>> = cases().into_iter().map(|(_, frame, _, _)| frame).collect();
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
    let mut seen = GateCounts::default();
    for number in 0..known.len() + RANDOM {
        let frame = known.get(number).cloned().unwrap_or_else(|| relative(&mut random, &known));
        let before = gate.counts().expect("counts");
        let (code, out) = runner.run(&frame);
        let counted = difference(&before, &gate.counts().expect("counts"));
        let judged = port.judge(&own, OPTIONS.max_frame as usize, &frame);
        let expected = (judged.edge.expect("a port with edges"), counts(judged.verdict));
        assert_eq!((code, counted), (verdict_code(judged.verdict), expected), "frame {number} {judged:?}: {frame:x?}");
        if judged.verdict == GateVerdict::Redirected {
            let mut untagged = [&frame[..12], &frame[12 + judged.tag..]].concat();
            untagged[MARK] = expected.0.0;
            assert!(out.ends_with(&untagged), "frame {number} {judged:?}: {frame:x?} became {out:x?}");
        }
        seen = plus(seen, expected.1);
    }
    let GateCounts { passed, redirected, transit, own_elsewhere, oversize, .. } = seen;
    let each = [passed, redirected, transit, own_elsewhere, oversize];
    assert!(each.iter().all(|count| *count >= 20), "every verdict is met often: {seen:?}");
}

/// What one frame added, and where.
fn difference(before: &[(EdgeId, GateCounts)], after: &[(EdgeId, GateCounts)]) -> (EdgeId, GateCounts) {
    let less = |a: GateCounts, b: GateCounts| GateCounts {
        passed: a.passed - b.passed,
        redirected: a.redirected - b.redirected,
        transit: a.transit - b.transit,
        own_elsewhere: a.own_elsewhere - b.own_elsewhere,
        no_socket: a.no_socket - b.no_socket,
        oversize: a.oversize - b.oversize,
    };
    let changed = after.iter().zip(before).filter(|(after, before)| after != before);
    let changed: Vec<_> = changed.map(|(after, before)| (after.0, less(after.1, before.1))).collect();
    assert_eq!(changed.len(), 1, "a frame counts at one edge");
    changed[0]
}

fn counts(verdict: GateVerdict) -> GateCounts {
    let of = |wanted| u64::from(verdict == wanted);
    GateCounts {
        passed: of(GateVerdict::Passed),
        redirected: of(GateVerdict::Redirected),
        transit: of(GateVerdict::Transit),
        own_elsewhere: of(GateVerdict::OwnElsewhere),
        no_socket: 0,
        oversize: of(GateVerdict::Oversize),
    }
}

/// `XDP_DROP`, `XDP_PASS` or `XDP_REDIRECT`.
const fn verdict_code(verdict: GateVerdict) -> u32 {
    match verdict {
        GateVerdict::Passed => 2,
        GateVerdict::Redirected => 4,
        GateVerdict::Transit | GateVerdict::OwnElsewhere | GateVerdict::Oversize => 1,
    }
}

/// A known frame with another one's destination, tag or MAC, some octets changed, or cut.
fn relative(random: &mut Random, known: &[Vec<u8>]) -> Vec<u8> {
    let mut frame = known[random.index(known.len())].clone();
    let other = &known[random.index(known.len())];
    match random.index(6) {
        0 => frame = [&other[..14], &frame[14..]].concat(),
        1 => {
            let shared = frame.len().min(other.len());
            let start = 14 + random.index(40);
            if start < shared {
                frame[start..shared].copy_from_slice(&other[start..shared]);
            }
        }
        2 => frame.truncate(14 + random.index(60)),
        3 => frame.resize(1780 + random.index(24), 0),
        _ => {}
    }
    for _ in 0..random.index(3) {
        let at = random.index(frame.len().min(60));
        frame[at] ^= 1 << random.index(8);
    }
    frame
}
