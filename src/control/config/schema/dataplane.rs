//! `[dataplane]`.

use super::super::kind::{Kind, words};
use super::super::{Idle, Mode};
use super::{Default, FRAME_SIZES, MAX_RING, Section, key};
use crate::limits::MAX_BATCH;

/// `[dataplane]`
pub static DATAPLANE: Section = Section {
    header: "[dataplane]",
    meaning: "Sockets, rings and cores. Optional.",
    keys: &[
        key(
            "mode",
            Kind::Word(words::<Mode>),
            "",
            Default::Value(r#""auto""#),
            "How frames reach the sockets. `auto`: native XDP with copy, generic XDP where the driver has no native \
             one. `zero-copy`: an error where the driver cannot.",
        ),
        key(
            "queues",
            Kind::WordOr("all", 1, 256),
            "workers",
            Default::Value(r#""all""#),
            "How many workers share the queues. `\"all\"`: as many as the interface with the fewest queues has.",
        ),
        key(
            "cores",
            Kind::Cores,
            "",
            Default::Value(r#""auto""#),
            "Cores of the workers, in order. `\"auto\"`: the cores that the process may use, the first one left to \
             control when there are enough.",
        ),
        key(
            "batch",
            Kind::Integer(1, MAX_BATCH as u64),
            "frames",
            Default::Value("64"),
            "Frames taken from one interface before the next one is served.",
        ),
        key("rx_ring", Kind::PowerOfTwo(64, MAX_RING), "slots", Default::Value("2048"), "Slots of each receive ring."),
        key("tx_ring", Kind::PowerOfTwo(64, MAX_RING), "slots", Default::Value("2048"), "Slots of each transmit ring."),
        key("fill_ring", Kind::PowerOfTwo(64, MAX_RING), "slots", Default::Value("2048"), "Slots of each fill ring."),
        key(
            "completion_ring",
            Kind::PowerOfTwo(64, MAX_RING),
            "slots",
            Default::Value("2048"),
            "Slots of each completion ring, at least `tx_ring`. Without it, `tx_ring` if that is larger.",
        ),
        key(
            "frames",
            Kind::WordOr("auto", 256, 16_777_216),
            "frames",
            Default::Value(r#""auto""#),
            "Frames of each worker's packet buffer. `\"auto\"`: enough for every ring of every interface.",
        ),
        key(
            "frame_size",
            Kind::OneOf(FRAME_SIZES),
            "octets",
            Default::Value("2048"),
            "Octets of one frame; 256 of them are the kernel's.",
        ),
        key(
            "idle",
            Kind::Word(words::<Idle>),
            "",
            Default::Value(r#""adaptive""#),
            "What a worker does when nothing arrives. `adaptive`: spins for a while, then sleeps until a frame comes. \
             `busy`: spins for ever, a whole core for the lowest latency.",
        ),
        key(
            "stamp_every",
            Kind::PowerOfTwoOrZero(65_536),
            "frames",
            Default::Value("64"),
            "One frame in this many carries an arrival stamp for the latency histogram. 0: none.",
        ),
    ],
    planned: &["busy_poll"],
};
