//! Why a packet was not forwarded. One enum drives the counters, the metric label `reason`,
//! the output of `map`, and `docs/drops.md`.

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $label:literal @ $place:ident,)+) => {
        /// Why a packet was dropped. Each reason counts at the edge where the packet came in.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum DropReason { $($(#[doc = $doc])+ $name,)+ }

        impl DropReason {
            /// Every reason, in the order of the enum.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// How many reasons there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The word used in metrics, in `map` and in the docs.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label),+ }
            }

            /// One sentence for people.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+)),+ }
            }

            /// Who drops for this reason.
            pub const fn place(self) -> Place {
                match self { $(Self::$name => Place::$place),+ }
            }
        }
    };
}

/// The part of the gateway that drops and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The XDP program on the port where the frame came in.
    Gate,
    /// The tc egress program on an ISP port: what the kernel wanted to send there.
    Guard,
    /// The AF_XDP socket: the kernel had no place for the frame.
    Socket,
    /// The workers' packet path.
    Path,
}

impl Place {
    /// The word used in `docs/drops.md`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Guard => "guard",
            Self::Socket => "socket",
            Self::Path => "path",
        }
    }
}

reasons! {
    /// Transit that is for none of this ISP's external prefixes.
    GateTransit = "gate-transit" @ Gate,
    /// For one of the host's own addresses, but arrived by an edge that it may not come by.
    GateOwnElsewhere = "gate-own-elsewhere" @ Gate,
    /// For the workers, but no AF_XDP socket is bound to the receive queue (gateway stopped or restarting).
    GateNoSocket = "gate-no-socket" @ Gate,
    /// Longer than a frame of the packet buffer: an aggregate made by GRO or LRO.
    GateOversize = "gate-oversize" @ Gate,
    /// The kernel tried to forward it to an ISP untranslated.
    GuardForwarded = "guard-forwarded" @ Guard,
    /// The host itself tried to send it to an ISP with an internal source or another ISP's.
    GuardForeignSource = "guard-foreign-source" @ Guard,
    /// The receive ring was full: the worker could not keep up.
    RxRingFull = "rx-ring-full" @ Socket,
    /// The fill ring was empty: no frame to receive into.
    FillRingEmpty = "fill-ring-empty" @ Socket,
    /// Not an IPv6 packet, or its headers or lengths contradict each other.
    Malformed = "malformed" @ Path,
    /// A routing header of type 0 (RFC 5095).
    RoutingHeaderZero = "routing-header-0" @ Path,
    /// A fragment that does not leave the upper-layer header whole in the first one (RFC 7112, RFC 5722).
    HeaderSplit = "header-split" @ Path,
    /// A source that is never forwarded: unspecified, loopback, multicast, link-local, v4-mapped.
    BadSource = "bad-source" @ Path,
    /// A destination that is never forwarded: unspecified, loopback, multicast, link-local, v4-mapped.
    BadDestination = "bad-destination" @ Path,
    /// An ICMPv6 type that never leaves its link (RFC 4890 §4.3.3).
    LinkScopeIcmpv6 = "link-scope-icmpv6" @ Path,
    /// An ICMPv6 type without business on the Internet: experimental, reserved, Node Information (RFC 4890 §4.3.5).
    UnjustifiedIcmpv6 = "unjustified-icmpv6" @ Path,
    /// Outbound, but the source lies outside every internal prefix (BCP 38).
    SourceNotInternal = "source-not-internal" @ Path,
    /// Inbound, but the source is one of the site's own prefixes.
    SourceIsOurs = "source-is-ours" @ Path,
    /// From or to an address that nobody on the Internet has (RFC 6092 REC-3).
    Bogon = "bogon" @ Path,
    /// The address lies outside the prefix of the mapping.
    NotInPrefix = "not-in-prefix" @ Path,
    /// Subnet 0xFFFF has no mapping with prefixes of 48 bits or fewer (RFC 6296 §4.2).
    SubnetFfff = "subnet-ffff" @ Path,
    /// The subnet lies outside the shorter of the two prefixes (RFC 6296 §3.2).
    UnmappedSubnet = "unmapped-subnet" @ Path,
    /// An interface identifier of all zeros has no mapping with prefixes over 48 bits (RFC 6296 §3.7).
    IidAllZero = "iid-all-zero" @ Path,
    /// An interface identifier of all ones has no word to adjust (RFC 6296 §3.5).
    IidAllOnes = "iid-all-ones" @ Path,
    /// The image of this address could not be translated back.
    NoReturn = "no-return" @ Path,
    /// The image of this address is one of the gateway's own addresses.
    ImageIsGateway = "image-is-gateway" @ Path,
    /// No uplink is both usable and able to map this source.
    NoUplink = "no-uplink" @ Path,
    /// Outbound, and a rule of the configuration says drop.
    RuleDrop = "rule-drop" @ Path,
    /// Inbound, but of no flow that was opened from inside, and nothing allows it (RFC 6092).
    InboundFilter = "inbound-filter" @ Path,
    /// Arrived by another ISP than the one whose prefix it is for, or than its flow's.
    WrongUplink = "wrong-uplink" @ Path,
    /// Outbound, of a TCP connection whose flow moves to another ISP: answered with a reset, by `reset_on_failover`.
    FlowReset = "flow-reset" @ Path,
    /// No LAN route leads to the internal destination.
    NoLanRoute = "no-lan-route" @ Path,
    /// The hop limit ran out (RFC 8200 §3).
    HopLimitExceeded = "hop-limit-exceeded" @ Path,
    /// Longer than the MTU of the link it would leave by (RFC 8200 §5).
    PacketTooBig = "packet-too-big" @ Path,
    /// The neighbour did not answer within the time a frame is held.
    NeighbourUnreachable = "neighbour-unreachable" @ Path,
    /// Too many frames already wait for that neighbour, or for neighbours at all.
    NeighbourQueueFull = "neighbour-queue-full" @ Path,
    /// An ICMPv6 error with less than a whole IPv6 header in its quote.
    QuoteTruncated = "quote-truncated" @ Path,
    /// An ICMPv6 error about an ICMPv6 error or a Redirect, which nobody may send (RFC 4443 §2.4 e).
    QuoteIsError = "quote-is-error" @ Path,
    /// An ICMPv6 error whose quoted packet was never translated by this mapping.
    QuoteForeign = "quote-foreign" @ Path,
    /// Inbound ICMPv6 error about a packet of no flow that is known here (RFC 6092 REC-10, 18, 36).
    QuoteNoFlow = "quote-no-flow" @ Path,
    /// An ICMPv6 error whose own checksum is wrong.
    QuoteChecksum = "quote-checksum" @ Path,
    /// The transmit ring stayed full.
    TxRingFull = "tx-ring-full" @ Path,
    /// The port that it would leave by has no carrier or is gone.
    TxLinkDown = "tx-link-down" @ Path,
    /// Bug: the packet was about to leave an ISP port with a foreign source.
    EgressAssertion = "egress-assertion" @ Path,
}

impl DropReason {
    /// Position in an array of [`DropReason::COUNT`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn labels_are_distinct_kebab_case_words() {
        let labels: HashSet<_> = DropReason::ALL.iter().map(|reason| reason.label()).collect();
        assert_eq!(labels.len(), DropReason::COUNT);
        for label in labels {
            assert!(label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{label}");
        }
    }
}
