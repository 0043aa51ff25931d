//! Every metric that the exporter shows: one table for `/metrics` and `docs/metrics.md`.

/// What kind of numbers a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Kind {
    /// The word after `# TYPE`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric with all its label values.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// One sentence; the text after `# HELP`.
    pub help: &'static str,
}

macro_rules! families {
    ($($(#[doc = $doc:literal])+ $id:ident = $name:literal $kind:ident [$($label:literal),*];)+) => {
        $($(#[doc = $doc])+ pub const $id: Family = Family {
            name: $name,
            kind: Kind::$kind,
            labels: &[$($label),*],
            // A doc comment starts with a space.
            help: concat!($($doc),+).trim_ascii(),
        };)+

        /// Every family, in the order of the output.
        pub const ALL: &[Family] = &[$($id),+];
    };
}

families! {
    /// Always 1; the program's version as a label.
    BUILD_INFO = "sixways_build_info" Gauge ["version"];
    /// When the gateway was started, in seconds since the Unix epoch.
    START_TIME = "sixways_start_time_seconds" Gauge [];
    /// Number of the generation that the workers read; one more with each change of configuration, routes or links.
    GENERATION = "sixways_config_generation" Gauge [];
    /// Always 1; SHA-256 of the configuration file in force as a label.
    CONFIG_INFO = "sixways_config_info" Gauge ["sha256"];
    /// 1 while the latest reload of the configuration was successful, or there was none; 0 after one that was refused or taken back.
    CONFIG_SUCCESSFUL = "sixways_config_last_reload_successful" Gauge [];
    /// When the configuration came into force, in seconds since the Unix epoch.
    CONFIG_SUCCESS_TIME = "sixways_config_last_reload_success_timestamp_seconds" Gauge [];
    /// 1 while the configuration file has something else than what is in force: a restart would read that.
    CONFIG_FILE_DIFFERS = "sixways_config_file_differs" Gauge [];
    /// Always 1; role, mode in force, driver and receive queues as labels.
    INTERFACE_INFO = "sixways_interface_info" Gauge ["interface", "role", "mode", "driver", "queues"];
    /// 1 while the interface has carrier.
    INTERFACE_UP = "sixways_interface_up" Gauge ["interface"];
    /// Packets that the workers have received.
    RX_PACKETS = "sixways_rx_packets_total" Counter ["interface"];
    /// Octets of the packets that the workers have received, Ethernet header included.
    RX_BYTES = "sixways_rx_bytes_total" Counter ["interface"];
    /// Packets that the workers have sent.
    TX_PACKETS = "sixways_tx_packets_total" Counter ["interface"];
    /// Octets of the packets that the workers have sent, Ethernet header included.
    TX_BYTES = "sixways_tx_bytes_total" Counter ["interface"];
    /// Frames that the gate left to the kernel (passed) or gave to the workers (redirected); goes on over restarts.
    GATE_PACKETS = "sixways_gate_packets_total" Counter ["interface", "verdict"];
    /// Frames that the gate had redirected, less those whose end was counted, when the sockets were last opened.
    GATE_BASELINE = "sixways_gate_baseline_packets" Gauge ["interface"];
    /// Packets of the kernel that the guard let out to an ISP; goes on over restarts.
    GUARD_PACKETS = "sixways_guard_packets_total" Counter ["interface", "verdict"];
    /// Packets dropped, by the interface where they came in (guard: where they were to leave) and the reason.
    DROP_PACKETS = "sixways_drop_packets_total" Counter ["interface", "reason"];
    /// Packets sent, by the interface where they came in, or for whose sake they were made, and the one they left by.
    FORWARDED = "sixways_forwarded_packets_total" Counter ["from", "to"];
    /// Packets translated by the mappings of an ISP.
    TRANSLATED = "sixways_translated_packets_total" Counter ["isp", "direction"];
    /// Packets that the control thread has handed to the workers to be sent.
    INJECTED = "sixways_injected_packets_total" Counter ["interface"];
    /// Packets that the workers have handed to the control thread.
    PUNTED = "sixways_punted_packets_total" Counter ["interface"];
    /// Packets that wait for the MAC address of a neighbour.
    HELD = "sixways_held_packets" Gauge ["interface"];
    /// Packets between the gate's verdict and their end; 0 when nothing moves.
    IN_FLIGHT = "sixways_in_flight_packets" Gauge ["interface"];
    /// ICMPv6 errors made about packets of this interface.
    ERRORS_ORIGINATED = "sixways_icmpv6_errors_originated_total" Counter ["interface"];
    /// TCP resets made about packets of this interface: connections that `reset_on_failover` has ended.
    TCP_RESETS = "sixways_tcp_resets_originated_total" Counter ["interface"];
    /// ICMPv6 errors that were due and not made, because of the rate limit or for want of a frame.
    ERRORS_SUPPRESSED = "sixways_icmpv6_errors_suppressed_total" Counter ["interface"];
    /// 1 while the ISP may carry new packets.
    ISP_UP = "sixways_isp_up" Gauge ["isp"];
    /// 1 for the state that the ISP is in: unknown, up, degraded, down or drain; 0 for the others.
    ISP_STATE = "sixways_isp_state" Gauge ["isp", "state"];
    /// Changes of the ISP's state.
    ISP_TRANSITIONS = "sixways_isp_transitions_total" Counter ["isp"];
    /// Probes sent by the ISP.
    PROBES_SENT = "sixways_probe_sent_total" Counter ["isp", "target"];
    /// Probes by the ISP that were not answered in time, or refused.
    PROBES_LOST = "sixways_probe_lost_total" Counter ["isp", "target"];
    /// Time from a probe to its answer, for all that were answered before their time-out.
    PROBE_RTT = "sixways_probe_rtt_seconds" Histogram ["isp", "target"];
    /// Share of the steering table that prefers the ISP, 0 to 1.
    ISP_SHARE = "sixways_isp_share_ratio" Gauge ["isp"];
    /// Octets that the ISP may carry in a calendar month (UTC), both ways together; only of ISPs with a quota.
    ISP_QUOTA = "sixways_isp_quota_bytes" Gauge ["isp"];
    /// Octets that the ISP has carried this month, Ethernet headers included; only of ISPs with a quota.
    ISP_QUOTA_USED = "sixways_isp_quota_used_bytes" Gauge ["isp"];
    /// Changes of the ISP's prefix since the start, to none included; only of ISPs whose prefix is learnt.
    PREFIX_CHANGES = "sixways_prefix_changes_total" Counter ["isp"];
    /// Flows that have a mapping of the ISP.
    ISP_FLOWS = "sixways_isp_flows" Gauge ["isp"];
    /// Neighbor Solicitations heard on the link of an ISP with nd_proxy, by what became of them.
    ND_PROXY = "sixways_nd_proxy_solicitations_total" Counter ["isp", "outcome"];
    /// Records in flow memory, as of the latest round through it; companions are what goes along with flows, like address pairs.
    FLOW_RECORDS = "sixways_flow_records" Gauge ["state", "protocol"];
    /// Flows that flow memory is made for; twice as many records have a place in it.
    FLOW_CAPACITY = "sixways_flow_capacity" Gauge [];
    /// Size of flow memory.
    FLOW_MEMORY = "sixways_flow_memory_bytes" Gauge [];
    /// Flows whose record was made in flow memory.
    FLOW_INSERTS = "sixways_flow_inserts_total" Counter [];
    /// Records that gave way to new ones: expired, unanswered (companions too) or closing; never established ones.
    FLOW_EVICTIONS = "sixways_flow_evictions_total" Counter ["kind"];
    /// Packets of flows that went without a record, because established flows had every place that it could have.
    FLOW_REFUSALS = "sixways_flow_refusals_total" Counter [];
    /// Flows opened from inside that got another ISP: theirs was lost or left, or they came back (docs/steering.md).
    FLOW_MOVES = "sixways_flow_moves_total" Counter [];
    /// Flows opened from outside that came in by another ISP than before, and stayed with it.
    FLOW_REPINS = "sixways_flow_repins_total" Counter [];
    /// Fragmented datagrams whose ISP was noted.
    FRAGMENT_INSERTS = "sixways_fragment_inserts_total" Counter [];
    /// Fragments whose ISP was known from another fragment.
    FRAGMENT_HITS = "sixways_fragment_hits_total" Counter [];
    /// Fragmented datagrams that were forgotten for others before their time was over.
    FRAGMENT_EVICTIONS = "sixways_fragment_evictions_total" Counter [];
    /// Time from a packet's arrival at the gate until its handing to the transmit ring, for the packets that carry an arrival stamp.
    FORWARDING_DURATION = "sixways_forwarding_duration_seconds" Histogram ["direction"];
    /// Frames of a worker's packet buffer, by the place where they are.
    UMEM_FRAMES = "sixways_umem_frames" Gauge ["worker", "place"];
    /// Frames of a worker's packet buffer that are nowhere; anything but 0 is a bug.
    UMEM_LOST = "sixways_umem_frames_lost" Gauge ["worker"];
    /// XDP_STATISTICS rx_dropped: frames that found no place in the packet buffer.
    XSK_RX_DROPPED = "sixways_xsk_rx_dropped_total" Counter ["interface", "queue"];
    /// XDP_STATISTICS rx_ring_full: frames that found the receive ring full.
    XSK_RX_RING_FULL = "sixways_xsk_rx_ring_full_total" Counter ["interface", "queue"];
    /// XDP_STATISTICS rx_fill_ring_empty_descs: times that the fill ring was found empty; in copy mode the same frames as rx_dropped.
    XSK_FILL_RING_EMPTY = "sixways_xsk_fill_ring_empty_total" Counter ["interface", "queue"];
    /// XDP_STATISTICS rx_invalid_descs: invalid descriptors in the fill ring; anything but 0 is a bug.
    XSK_RX_INVALID = "sixways_xsk_rx_invalid_descriptors_total" Counter ["interface", "queue"];
    /// XDP_STATISTICS tx_invalid_descs: invalid descriptors in the transmit ring; anything but 0 is a bug.
    XSK_TX_INVALID = "sixways_xsk_tx_invalid_descriptors_total" Counter ["interface", "queue"];
    /// Events written into the event log.
    EVENTS_WRITTEN = "sixways_events_written_total" Counter [];
    /// Events that are in no log: they came too fast, or the disk refused them.
    EVENTS_LOST = "sixways_events_lost_total" Counter [];
    /// Events that the program (exec) or the server (webhook) of [notify] was told, or could not be told.
    NOTIFICATIONS = "sixways_notifications_total" Counter ["target", "outcome"];
    /// Events that [notify] left out: more than its rate, or than a slow program or server could take.
    NOTIFICATIONS_SUPPRESSED = "sixways_notifications_suppressed_total" Counter [];
    /// Time from the last sign of life by an ISP that went down until the first packet that would have been its own had left by another, by what told.
    FAILOVER_DURATION = "sixways_failover_seconds" Histogram ["cause"];
    /// Turns of a worker's loop.
    WORKER_ITERATIONS = "sixways_worker_iterations_total" Counter ["worker"];
    /// Turns of a worker's loop that found frames.
    WORKER_BUSY = "sixways_worker_busy_iterations_total" Counter ["worker"];
    /// Time since the latest turn of a worker's loop began.
    WORKER_HEARTBEAT = "sixways_worker_heartbeat_age_seconds" Gauge ["worker"];
}
