//! The extension header chain (RFC 8200 §4), walked to its end.

use super::{protocol, transport};

/// Where the walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The upper-layer protocol, or `None` when its header is not in this packet.
    pub protocol: Option<u8>,
    /// Offset of the upper-layer header from the start of the chain.
    pub offset: usize,
    /// The fragment header, if there is one.
    pub fragment: Option<Fragment>,
    /// Whether a routing header of type 0 was met (RFC 5095).
    pub routing_zero: bool,
}

/// A fragment header (RFC 8200 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Offset of this fragment's data in octets.
    pub offset: u16,
    /// Whether more fragments follow.
    pub more: bool,
    /// Identification.
    pub id: u32,
    /// The first header of the fragmented part.
    pub next_header: u8,
}

impl Fragment {
    /// Whether this is a whole packet with a fragment header (RFC 6946).
    pub const fn is_atomic(self) -> bool {
        self.offset == 0 && !self.more
    }
}

impl Chain {
    /// Whether this is a fragment that does not leave the upper-layer header whole in the first
    /// one: a first fragment without all of it (RFC 7112), or a later one that begins inside it and
    /// so could only overlap the first (RFC 5722). What such a datagram is, nobody can tell before
    /// it is put together. `octets` is the length of what the chain was walked in.
    pub fn splits_header(&self, octets: usize) -> bool {
        match self.fragment {
            Some(fragment) if fragment.offset > 0 => {
                usize::from(fragment.offset) < transport::header_length(fragment.next_header)
            }
            Some(fragment) if fragment.more => {
                self.protocol.is_none_or(|protocol| octets - self.offset < transport::header_length(protocol))
            }
            _ => false,
        }
    }
}

/// The chain contradicts the packet's length, or a Hop-by-Hop header is not the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedChain;

/// Walks the headers in `payload`, the first of which is of type `next_header`. Every header has
/// at least eight octets, so the walk is as long as the packet at most.
///
/// # Errors
/// When a header runs over the end of an unfragmented packet, or Hop-by-Hop Options are not
/// directly behind the IPv6 header (RFC 8200 §4.1).
pub fn walk(next_header: u8, payload: &[u8]) -> Result<Chain, MalformedChain> {
    let mut chain = Chain { protocol: None, offset: 0, fragment: None, routing_zero: false };
    let mut current = next_header;
    loop {
        let length_of = match current {
            protocol::HOP_BY_HOP if chain.offset > 0 => return Err(MalformedChain),
            protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION_OPTIONS => eight_octet_units,
            protocol::AUTHENTICATION => four_octet_units,
            protocol::FRAGMENT => fragment_length,
            upper_layer => {
                chain.protocol = Some(upper_layer);
                return Ok(chain);
            }
        };
        let Some(header) = payload.get(chain.offset..).and_then(|rest| rest.first_chunk::<8>()) else {
            return cut_short(chain);
        };
        let length = length_of(header[1]);
        if chain.offset + length > payload.len() {
            return cut_short(chain);
        }
        chain.offset += length;
        match current {
            protocol::ROUTING => chain.routing_zero |= header[2] == 0,
            protocol::FRAGMENT => {
                let found = fragment(header);
                // Behind an atomic one, which says nothing, another may stand that does.
                if chain.fragment.is_none_or(Fragment::is_atomic) {
                    chain.fragment = Some(found);
                }
                // The rest of the chain is in the first fragment; also where a fragment was fragmented.
                if found.offset > 0 {
                    return Ok(chain);
                }
            }
            _ => {}
        }
        current = header[0];
    }
}

/// The rest of a fragment's chain may be in another fragment; a whole packet has none.
fn cut_short(chain: Chain) -> Result<Chain, MalformedChain> {
    if chain.fragment.is_some() { Ok(chain) } else { Err(MalformedChain) }
}

fn eight_octet_units(length: u8) -> usize {
    (usize::from(length) + 1) * 8
}

fn four_octet_units(length: u8) -> usize {
    (usize::from(length) + 2) * 4
}

fn fragment_length(_: u8) -> usize {
    8
}

fn fragment(header: &[u8; 8]) -> Fragment {
    let offset_and_flags = u16::from_be_bytes([header[2], header[3]]);
    Fragment {
        offset: offset_and_flags & 0xfff8,
        more: offset_and_flags & 1 != 0,
        id: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        next_header: header[0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn chain(protocol: Option<u8>, offset: usize) -> Chain {
        Chain { protocol, offset, fragment: None, routing_zero: false }
    }

    #[test]
    fn no_extension_header() {
        assert_eq!(walk(17, &[0; 8]), Ok(chain(Some(17), 0)));
        assert_eq!(walk(59, &[]), Ok(chain(Some(59), 0)));
        assert_eq!(walk(253, &[]), Ok(chain(Some(253), 0)), "unknown protocols are upper layers");
    }

    #[test]
    fn options_before_tcp() {
        let payload = [60, 0, 0, 0, 0, 0, 0, 0, 6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xaa];
        assert_eq!(walk(0, &payload), Ok(chain(Some(6), 24)));
    }

    #[test]
    fn hop_by_hop_only_comes_first() {
        assert_eq!(walk(60, &[0, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0]), Err(MalformedChain));
    }

    #[test]
    fn an_authentication_header_counts_in_four_octets() {
        let mut payload = [0; 24];
        payload[0] = 17;
        payload[1] = 4;
        assert_eq!(walk(51, &payload), Ok(chain(Some(17), 24)));
    }

    #[test]
    fn fragments() {
        let first = walk(44, &[17, 0, 0, 1, 0, 0, 0, 9, 1, 2]).unwrap();
        assert_eq!(first.fragment, Some(Fragment { offset: 0, more: true, id: 9, next_header: 17 }));
        assert_eq!((first.protocol, first.offset), (Some(17), 8));
        let later = walk(44, &[17, 0, 0x05, 0xa8, 0, 0, 0, 9, 1, 2]).unwrap();
        assert_eq!(later.fragment, Some(Fragment { offset: 0x05a8, more: false, id: 9, next_header: 17 }));
        assert_eq!(later.protocol, None, "the ports are in another packet");
        assert!(walk(44, &[17, 0, 0, 0, 0, 0, 0, 9]).unwrap().fragment.unwrap().is_atomic());
    }

    #[test]
    fn a_tiny_first_fragment_has_no_known_protocol() {
        assert_eq!(walk(44, &[60, 0, 0, 1, 0, 0, 0, 9, 6, 0]).unwrap().protocol, None);
    }

    #[test]
    fn a_header_over_the_end_is_malformed() {
        assert_eq!(walk(60, &[17, 1, 0, 0, 0, 0, 0, 0]), Err(MalformedChain));
        assert_eq!(walk(60, &[17, 0]), Err(MalformedChain));
    }

    #[test]
    fn nothing_hides_behind_a_long_chain() {
        let mut payload: Vec<u8> = (0..180).flat_map(|_| [60, 0, 0, 0, 0, 0, 0, 0]).collect();
        payload[179 * 8] = 58;
        assert_eq!(walk(60, &payload), Ok(chain(Some(58), 180 * 8)));
    }

    #[test]
    fn fragments_leave_the_upper_layer_header_whole() {
        let splits = |next_header, payload: &[u8]| walk(next_header, payload).unwrap().splits_header(payload.len());
        let first = |protocol, rest: usize| [&[protocol, 0, 0, 1, 0, 0, 0, 9][..], &vec![0; rest]].concat();
        let later = |protocol, offset| [&[protocol, 0, 0, offset, 0, 0, 0, 9][..], &[0; 16]].concat();
        for (protocol, header) in [(6, 20), (17, 8), (58, 8), (132, 12), (33, 12), (136, 8), (50, 0), (253, 0)] {
            assert!(!splits(44, &first(protocol, header)), "{protocol}");
            assert!(header == 0 || splits(44, &first(protocol, header - 1)), "{protocol}");
        }
        assert!(splits(44, &later(6, 8)) && splits(44, &later(6, 16)) && !splits(44, &later(6, 24)));
        assert!(!splits(44, &later(17, 8)) && !splits(44, &later(50, 8)));
        assert!(splits(44, &[60, 0, 0, 1, 0, 0, 0, 9, 6, 0]), "the chain goes on in another fragment");
        assert!(
            splits(44, &[&first(44, 0)[..], &later(6, 24)].concat()),
            "nor is it in a later fragment that was cut in two"
        );
        assert!(!splits(44, &[&first(44, 0)[..], &first(6, 20)].concat()));
        assert!(!splits(44, &[6, 0, 0, 0, 0, 0, 0, 9]), "an atomic fragment is a whole packet");
    }

    #[test]
    fn routing_header_zero_is_seen() {
        assert!(walk(43, &[17, 0, 0, 1, 0, 0, 0, 0]).unwrap().routing_zero);
        assert!(!walk(43, &[17, 0, 4, 1, 0, 0, 0, 0]).unwrap().routing_zero);
    }

    proptest! {
        #[test]
        fn never_panics_and_stays_inside(next_header: u8, payload in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(chain) = walk(next_header, &payload) {
                prop_assert!(chain.offset <= payload.len());
            }
        }
    }
}
