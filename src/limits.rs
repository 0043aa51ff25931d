//! Every fixed limit and time-out of the gateway, in one place.
//!
//! `docs/limits.md` is rendered from [`ALL`]; a test compares the two.

use crate::units::Nanos;

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident : $ty:ty = $value:expr, $unit:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: $ty = $value;)+

        /// Name, value, unit and meaning of every limit, in the order of this file.
        pub const ALL: &[(&str, Shown, &str, &str)] =
            &[$((stringify!($name), Shown::of($value as Raw), $unit, concat!($($doc),+))),+];
    };
}

type Raw = u64;

/// A limit's value as `docs/limits.md` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown(pub u64);

impl Shown {
    const fn of(value: u64) -> Self {
        Self(value)
    }
}

limits! {
    /// Devices that the gateway can own.
    MAX_PORTS: usize = 16, "ports";
    /// (port, VLAN) pairs with a role.
    MAX_EDGES: usize = 16, "edges";
    /// ISPs. A bucket names its choices in 4 bits; 15 marks an empty choice.
    MAX_UPLINKS: usize = 15, "uplinks";
    /// Prefix pairs over all ISPs. A flow record has 8 bits for its mapping.
    MAX_MAPPINGS: usize = 256, "mappings";
    /// Former prefixes of one ISP whose flows keep them; the oldest gives way to another.
    MAX_FORMER_PREFIXES: usize = 4, "prefixes";
    /// News of prefixes that wait for ids; the oldest give way.
    MAX_HELD_NEWS: usize = 64, "news";
    /// Bits of the shortest prefix that is taken for a delegation.
    SHORTEST_DELEGATION: u8 = 16, "bits";
    /// Time for which a learnt prefix must be gone from its source before it is.
    PREFIX_ABSENCE_NANOS: u64 = 2_000_000_000, "nanoseconds";
    /// Octets of a prefix file that are read.
    MAX_PREFIX_FILE: u64 = 4096, "octets";
    /// Records of the prefix history; the oldest gives way to another.
    MAX_PREFIX_RECORDS: usize = 10_000, "records";
    /// Routes of one gate: those of the kernel that lead to a LAN or to a device that is no ISP's, for each LAN and ISP
    /// of its interface, without those that say what a shorter one says.
    MAX_GATE_ROUTES: usize = 65_536, "routes";
    /// Addresses of the host's own, anycast ones included.
    MAX_OWN_ADDRESSES: usize = 4096, "addresses";
    /// Sources of one guard.
    MAX_GUARD_SOURCES: usize = 4096, "sources";
    /// ISPs in order of preference that each bucket remembers.
    BUCKET_CHOICES: usize = 8, "uplinks";
    /// Buckets of the steering hash.
    BUCKETS: usize = 65_536, "buckets";
    /// Smallest MTU that a link may have (RFC 8200 §5).
    MIN_MTU: u16 = 1280, "octets";
    /// Longest ICMPv6 error that the gateway makes, IPv6 header included (RFC 4443 §2.4 c).
    MAX_ERROR_OCTETS: usize = 1280, "octets";
    /// Frames taken from one port before the next port is served.
    MAX_BATCH: usize = 256, "frames";
    /// Slots of the neighbour table.
    NEIGHBOUR_SLOTS: usize = 8192, "slots";
    /// Frames held for one unresolved neighbour.
    HELD_PER_NEIGHBOUR: usize = 4, "frames";
    /// Frames held for unresolved neighbours by one worker.
    HELD_PER_WORKER: usize = 256, "frames";
    /// Of those, frames that only what comes from inside may take.
    HELD_FOR_INSIDE: usize = 64, "frames";
    /// Time a frame is held before its sender gets Destination Unreachable code 3.
    HELD_NANOS: u64 = 3_000_000_000, "nanoseconds";
    /// Frames of each worker kept back for packets that the gateway originates.
    RESERVED_FRAMES: usize = 64, "frames";
    /// Age beyond which an arrival stamp is taken for a leftover of the frame's former content.
    STAMP_MAX_AGE_NANOS: u64 = 1_000_000_000, "nanoseconds";
    /// ICMPv6 errors of one edge, or towards one source, in one burst: a traceroute of 30 hops with 3
    /// probes fits. `[icmp]` says how many a second follow.
    ERROR_BURST: u64 = 100, "errors";
    /// ICMPv6 errors per second that `[icmp]` may ask for.
    MAX_ERRORS_PER_SECOND: u64 = 1_000_000, "errors/s";
    /// Turns that a stopping worker takes at most to empty its receive rings.
    DRAIN_TURNS: usize = 1024, "turns";
    /// Times that a worker tries to put a batch into a full transmit ring before it drops the rest.
    TRANSMIT_TRIES: usize = 3, "tries";
    /// Time for which a worker sends nothing to a port that has told it there is no carrier.
    LINK_RETRY_NANOS: u64 = 10_000_000, "nanoseconds";
    /// Time that an adaptive worker spins after the last frame before it sleeps.
    SPIN_NANOS: u64 = 50_000, "nanoseconds";
    /// Time that a worker has to open or close a port.
    PORT_PATIENCE_NANOS: u64 = 2_000_000_000, "nanoseconds";
    /// Interfaces of one queue for each worker that a running gateway can take on: its packet buffers have
    /// the frames for them.
    SPARE_PORTS: usize = 2, "interfaces";
    /// Longest sleep of an idle worker.
    SLEEP_MS: i32 = 100, "milliseconds";
    /// Time that a starting gateway waits for the pins and the state directory of one that is on its way out.
    LOCK_RETRY_NANOS: u64 = 2_000_000_000, "nanoseconds";
    /// Messages that wait between one worker and control, each way.
    WORKER_QUEUE: usize = 1024, "messages";
    /// Time for which a start tries again to bind a socket to a busy queue: the kernel releases the
    /// queues of a dead process late.
    BIND_RETRY_NANOS: u64 = 5_000_000_000, "nanoseconds";
    /// The same while the gateway runs: the rest of it waits meanwhile.
    REBIND_RETRY_NANOS: u64 = 500_000_000, "nanoseconds";
    /// Time after which an interface that could not be opened is tried again; twice as long after each time.
    REOPEN_NANOS: u64 = 1_000_000_000, "nanoseconds";
    /// The longest such time.
    REOPEN_MAX_NANOS: u64 = 60_000_000_000, "nanoseconds";
    /// Frames that one system call sends in copy mode, on kernels that let it be set (6.17).
    TX_BUDGET: u32 = 64, "frames";
    /// Protocol tag (`RTPROT`) of the rules and routes that the gateway installs for the host.
    HOST_PROTOCOL: u8 = 96, "number";
    /// Priority of the host's rules that keep routes other than default ones; the rules that
    /// lead to the ISP's own table follow with the next number.
    HOST_RULE_PRIORITY: u32 = 30_600, "priority";
    /// First routing table with an ISP's default route for the host; the ISP's id is added.
    HOST_TABLE: u32 = 30_600, "table";
    /// Priority of the first rule that sends the host's own traffic to the workers (`[host] steer`); two
    /// more follow.
    HOST_STEER_PRIORITY: u32 = 30_730, "priority";
    /// Routing table whose default route leads the host's own traffic to the workers.
    HOST_STEER_TABLE: u32 = 30_630, "table";
    /// MTU of the link between the host and the workers.
    HOST_LINK_MTU: u32 = 1500, "octets";
    /// Neighbours that control asks the kernel to resolve at the same time.
    ASKED_NEIGHBOURS: usize = 1024, "neighbours";
    /// Neighbours in use that control asks the kernel to keep fresh.
    MANAGED_NEIGHBOURS: usize = 4096, "neighbours";
    /// Time after which a neighbour without an answer may be asked for again.
    NEIGHBOUR_RETRY_NANOS: u64 = 1_000_000_000, "nanoseconds";
    /// Time between two looks at which neighbours the workers use.
    NEIGHBOUR_SWEEP_NANOS: u64 = 5_000_000_000, "nanoseconds";
    /// Time after which a neighbour that no worker used is left to the kernel's own ageing.
    NEIGHBOUR_IDLE_NANOS: u64 = 300_000_000_000, "nanoseconds";
    /// Requests for neighbours that wait for control.
    WANT_QUEUE: usize = 1024, "requests";
    /// Time that a burst of netlink events must have been quiet before control looks.
    NETLINK_QUIET_NANOS: u64 = 5_000_000, "nanoseconds";
    /// Longest time that a burst of netlink events puts off control's look.
    NETLINK_PATIENCE_NANOS: u64 = 50_000_000, "nanoseconds";
    /// Time without a turn after which `/healthz` says that a worker is stalled.
    HEARTBEAT_MAX_AGE_NANOS: u64 = 2_000_000_000, "nanoseconds";
    /// Time between two looks of the watchdog.
    WATCHDOG_LOOK_NANOS: u64 = 250_000_000, "nanoseconds";
    /// Time without a turn after which a worker is taken to hang, and the process ends.
    WORKER_STALL_NANOS: u64 = 5_000_000_000, "nanoseconds";
    /// Time that a worker has to empty its rings and to close its sockets when it is told to stop; then the
    /// process ends.
    WORKER_STOP_NANOS: u64 = 15_000_000_000, "nanoseconds";
    /// Time without a turn after which the run loop is taken to hang, and the process ends.
    CONTROL_STALL_NANOS: u64 = 60_000_000_000, "nanoseconds";
    /// Connections to the exporter at the same time; more wait.
    SCRAPE_CONNECTIONS: usize = 32, "connections";
    /// Time that one scrape may take, from connection to the last octet.
    SCRAPE_NANOS: u64 = 5_000_000_000, "nanoseconds";
    /// Connections to the control socket at the same time; more wait.
    CONTROL_CONNECTIONS: usize = 16, "connections";
    /// Longest request on the control socket.
    CONTROL_REQUEST_OCTETS: usize = 4096, "octets";
    /// Longest answer that a client of the control socket takes.
    CONTROL_ANSWER_OCTETS: usize = 4_194_304, "octets";
    /// Time that either end of the control socket waits for the other.
    CONTROL_PATIENCE_NANOS: u64 = 5_000_000_000, "nanoseconds";
    /// Flows that one answer of the control socket lists: more would not fit into it.
    LISTED_FLOWS: usize = 8000, "flows";
    /// Time that one walk through flow memory may take for somebody who asks.
    FLOW_WALK_NANOS: u64 = 2_000_000_000, "nanoseconds";
    /// Flows that can be remembered at most, whatever `[flows] capacity` asks for.
    MAX_FLOWS: u64 = 134_217_728, "flows";
    /// Longest time that a flow without packets can be remembered.
    MAX_FLOW_TIMEOUT_NANOS: u64 = 43_200_000_000_000, "nanoseconds";
    /// Steps in which control's sweep walks over flow memory, one a second.
    FLOW_SWEEP_STEPS: usize = 16, "steps";
    /// Unfinished records that the sweep watches from one round to the next.
    SUSPECT_CLAIMS: usize = 64, "records";
    /// Lines of eight fragmented datagrams whose ISP is remembered.
    FRAGMENT_LINES: usize = 8192, "lines";
    /// Time that a fragmented datagram's ISP is remembered: what a host waits for the rest of it
    /// (RFC 8200 §4.5).
    FRAGMENT_MEMORY_NANOS: u64 = 60_000_000_000, "nanoseconds";
    /// Refused connections from outside that wait for their answer, in each worker.
    UNSOLICITED: usize = 256, "connections";
    /// Longest frame of a refused connection that is answered.
    UNSOLICITED_OCTETS: usize = 256, "octets";
    /// Time that an answer waits for the connection to be opened from inside as well: RFC 6092
    /// REC-34 asks for at least six seconds.
    UNSOLICITED_WAIT_NANOS: u64 = 6_000_000_000, "nanoseconds";
    /// Targets of one ISP's probes.
    MAX_PROBES: usize = 16, "targets";
    /// Octets of an answer to a probe that control gets to see: the headers of an error and of the probe
    /// that it quotes.
    PROBE_ANSWER_OCTETS: usize = 128, "octets";
    /// Answers to probes that one turn of a worker's loop hands to control.
    PROBE_ANSWERS: usize = 64, "answers";
    /// Time between two looks at the carrier of the ISPs' links.
    CARRIER_NANOS: u64 = 10_000_000, "nanoseconds";
    /// Time between two looks at the ISPs' health.
    HEALTH_NANOS: u64 = 20_000_000, "nanoseconds";
    /// Time for which flows that prefer an ISP go back to it once all of them may: what is silent for longer
    /// stays where it is.
    FAILBACK_WINDOW_NANOS: u64 = 3_600_000_000_000, "nanoseconds";
    /// Time after the loss of an ISP in which others must have sent a packet in its place, so that it counts as
    /// a failover: where nobody sends anything, there is nothing to measure.
    FAILOVER_PATIENCE_NANOS: u64 = 10_000_000_000, "nanoseconds";
    /// Months of which is kept what the ISPs have carried.
    QUOTA_MONTHS: usize = 3, "number";
    /// Time between two times that this is kept.
    QUOTA_SAVE_NANOS: u64 = 30_000_000_000, "nanoseconds";
    /// Policies, the default one included.
    MAX_POLICIES: usize = 32, "policies";
    /// Rules for new flows.
    MAX_RULES: usize = 256, "rules";
    /// Allow rules of the inbound filter.
    MAX_ALLOWS: usize = 256, "rules";
    /// Neighbor Solicitations per second of one ISP that the ND proxy answers for hosts it knows.
    ND_ANSWERS_PER_SECOND: u64 = 500, "answers/s";
    /// Such answers in one burst.
    ND_ANSWER_BURST: u64 = 500, "answers";
    /// Neighbor Solicitations per second of one ISP that are answered unasked (`nd_proxy =
    /// "static"`).
    ND_UNCONFIRMED_PER_SECOND: u64 = 100, "answers/s";
    /// Such answers in one burst.
    ND_UNCONFIRMED_BURST: u64 = 100, "answers";
    /// Hosts per second that the ND proxy looks for inside on behalf of one ISP: few enough for the
    /// kernel to keep its neighbour table (`gc_thresh2`) through a scan.
    ND_ASKS_PER_SECOND: u64 = 20, "hosts/s";
    /// Such hosts in one burst.
    ND_ASK_BURST: u64 = 40, "hosts";
    /// Neighbor Solicitations of one ISP that wait for a host inside.
    ND_WAITING: usize = 128, "solicitations";
    /// Time for which one waits: the kernel asks three times, a second apart.
    ND_WAIT_NANOS: u64 = 3_000_000_000, "nanoseconds";
    /// Time between two looks whether the hosts inside have answered.
    ND_LOOK_NANOS: u64 = 10_000_000, "nanoseconds";
    /// Solicited-node groups joined on one ISP's link.
    ND_GROUPS: usize = 256, "groups";
    /// Events that wait to be written into the event log; more are counted as lost.
    EVENT_QUEUE: usize = 1024, "events";
    /// Size of a file of the event log; when it is full, a new one is begun.
    EVENT_LOG_OCTETS: u64 = 4_194_304, "octets";
    /// Files of the event log; the oldest is removed for a new one.
    EVENT_LOG_FILES: usize = 8, "files";
    /// Time without events after which a running gateway touches its event log, to say when it last lived.
    EVENT_LOG_TOUCH_NANOS: u64 = 10_000_000_000, "nanoseconds";
    /// Events that wait for the program or the server of `[notify]`; more are left out.
    NOTIFY_QUEUE: usize = 64, "events";
    /// Times that an event is sent to a server that does not take it: the outage may be in its own way.
    NOTIFY_TRIES: u32 = 3, "tries";
    /// Time between them.
    NOTIFY_RETRY_NANOS: u64 = 5_000_000_000, "nanoseconds";
    /// Time between two times that is kept what the ISPs have carried since the event log last told it: a gateway
    /// that is killed forgets no more.
    TRAFFIC_DRAFT_NANOS: u64 = 30_000_000_000, "nanoseconds";
    /// Time that an ending gateway waits for its last events to be told.
    NOTIFY_FAREWELL_NANOS: u64 = 2_000_000_000, "nanoseconds";
    /// Time that an ending gateway waits for its event log to be written.
    EVENT_LOG_PATIENCE_NANOS: u64 = 2_000_000_000, "nanoseconds";
    /// Time for which a saved configuration file must not change before it is read.
    CONFIG_QUIET_NANOS: u64 = 1_000_000_000, "nanoseconds";
    /// Symbolic links on the way to the configuration file that are watched: as many as the kernel follows.
    MAX_CONFIG_LINKS: usize = 40, "links";
    /// Rest after a look at the kernel's tables, in multiples of the time that the look took.
    NETLINK_REST: u32 = 4, "times";
}

/// [`HELD_NANOS`] as a span.
pub const HELD: Nanos = Nanos(HELD_NANOS);
/// [`LINK_RETRY_NANOS`] as a span.
pub const LINK_RETRY: Nanos = Nanos(LINK_RETRY_NANOS);
/// [`SPIN_NANOS`] as a span.
pub const SPIN: Nanos = Nanos(SPIN_NANOS);
/// [`HEARTBEAT_MAX_AGE_NANOS`] as a span.
pub const HEARTBEAT_MAX_AGE: Nanos = Nanos(HEARTBEAT_MAX_AGE_NANOS);
/// [`FRAGMENT_MEMORY_NANOS`] as a span.
pub const FRAGMENT_MEMORY: Nanos = Nanos(FRAGMENT_MEMORY_NANOS);
/// [`UNSOLICITED_WAIT_NANOS`] as a span.
pub const UNSOLICITED_WAIT: Nanos = Nanos(UNSOLICITED_WAIT_NANOS);
/// [`MAX_FLOW_TIMEOUT_NANOS`] as a span.
pub const MAX_FLOW_TIMEOUT: Nanos = Nanos(MAX_FLOW_TIMEOUT_NANOS);
/// [`FAILBACK_WINDOW_NANOS`] as a span.
pub const FAILBACK_WINDOW: Nanos = Nanos(FAILBACK_WINDOW_NANOS);
/// [`FAILOVER_PATIENCE_NANOS`] as a span.
pub const FAILOVER_PATIENCE: Nanos = Nanos(FAILOVER_PATIENCE_NANOS);
/// [`TRAFFIC_DRAFT_NANOS`] as a span.
pub const TRAFFIC_DRAFT: Nanos = Nanos(TRAFFIC_DRAFT_NANOS);
/// [`QUOTA_SAVE_NANOS`] as a span.
pub const QUOTA_SAVE: Nanos = Nanos(QUOTA_SAVE_NANOS);
/// [`FLOW_WALK_NANOS`] as a span.
pub const FLOW_WALK: Nanos = Nanos(FLOW_WALK_NANOS);
/// [`CONFIG_QUIET_NANOS`] as a span.
pub const CONFIG_QUIET: Nanos = Nanos(CONFIG_QUIET_NANOS);
