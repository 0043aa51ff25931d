//! The TCP header's maximum segment size option (RFC 9293 §3.7.1).

/// Octets of a TCP header without options.
const HEADER: usize = 20;
/// Offset of the octet whose upper half is the header's length in units of four octets.
const DATA_OFFSET: usize = 12;
/// Offset of the checksum.
const CHECKSUM: usize = 16;

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MAXIMUM_SEGMENT_SIZE: u8 = 2;
/// Octets of the option: kind, length, and the size.
const OPTION: usize = 4;

/// Lowers the maximum segment size that `segment` announces to `limit` octets, and its checksum
/// along. A lower one stays; so does a segment without the option, or with options that contradict
/// themselves.
pub fn clamp_segment_size(segment: &mut [u8], limit: u16) {
    let Some(at) = segment_size(segment) else { return };
    let old = u16::from_be_bytes([segment[at], segment[at + 1]]);
    if old <= limit {
        return;
    }
    segment[at..at + 2].copy_from_slice(&limit.to_be_bytes());
    // Options begin anywhere: at an odd offset the size lies across two of the summed words.
    let (old, new) = if at % 2 == 0 { (old, limit) } else { (old.swap_bytes(), limit.swap_bytes()) };
    let sum = u16::from_be_bytes([segment[CHECKSUM], segment[CHECKSUM + 1]]);
    segment[CHECKSUM..CHECKSUM + 2].copy_from_slice(&updated(sum, old, new).to_be_bytes());
}

/// Offset of the announced size, if the options are sound and have it once.
fn segment_size(segment: &[u8]) -> Option<usize> {
    let length = usize::from(segment.get(DATA_OFFSET)? >> 4) * 4;
    let header = segment.get(..length)?;
    let mut found = None;
    let mut at = HEADER;
    while at < header.len() {
        match header[at] {
            END => break,
            NO_OPERATION => at += 1,
            kind => {
                let octets = usize::from(*header.get(at + 1)?);
                let option = header.get(at..at + octets).filter(|option| option.len() >= 2)?;
                if kind == MAXIMUM_SEGMENT_SIZE {
                    if option.len() != OPTION || found.is_some() {
                        return None;
                    }
                    found = Some(at + 2);
                }
                at += octets;
            }
        }
    }
    found
}

/// `checksum` after the word `old` under it became `new` (RFC 1624 §3, equation 3).
const fn updated(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = !checksum as u32 + !old as u32 + new as u32;
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::TcpHeader;
    use proptest::prelude::*;

    /// A segment with these options (padded with NOPs), its checksum right for fixed addresses.
    fn segment(options: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut header = TcpHeader::new(4000, 443, 1, 65535);
        header.syn = true;
        let mut padded = options.to_vec();
        padded.resize(options.len().next_multiple_of(4), NO_OPERATION);
        header.set_options_raw(&padded).unwrap();
        header.checksum = header.calc_checksum_ipv6_raw([1; 16], [2; 16], payload).unwrap();
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend_from_slice(payload);
        bytes
    }

    fn is_sound(segment: &[u8]) -> bool {
        let (header, payload) = TcpHeader::from_slice(segment).unwrap();
        header.checksum == header.calc_checksum_ipv6_raw([1; 16], [2; 16], payload).unwrap()
    }

    #[test]
    fn only_ever_lowers() {
        for (announced, limit, expected) in [(1440, 1432, 1432), (1432, 1432, 1432), (1220, 1432, 1220), (0, 1, 0)] {
            let [high, low] = u16::to_be_bytes(announced);
            let mut bytes = segment(&[2, 4, high, low], &[7; 3]);
            clamp_segment_size(&mut bytes, limit);
            assert_eq!(bytes[22..24], u16::to_be_bytes(expected));
            assert!(is_sound(&bytes));
        }
    }

    #[test]
    fn what_is_odd_is_left_alone() {
        let odd: [&[u8]; 7] = [
            &[],
            &[4, 2, 1, 1],
            &[2, 3, 0xff],
            &[2, 0, 0xff, 0xff],
            &[2, 4, 0xff, 0xff, 2, 4, 0xff, 0xff],
            &[2, 4, 0xff, 0xff, 8, 40],
            &[0, 2, 4, 0xff, 0xff],
        ];
        for options in odd {
            let whole = segment(options, &[]);
            let mut bytes = whole.clone();
            clamp_segment_size(&mut bytes, 1220);
            assert_eq!(bytes, whole, "{options:?}");
        }
        let whole = segment(&[2, 4, 0xff, 0xff], &[]);
        for length in 0..whole.len() {
            let mut cut = whole[..length].to_vec();
            clamp_segment_size(&mut cut, 1220);
            assert_eq!(cut, whole[..length], "{length} octets");
        }
    }

    proptest! {
        #[test]
        fn the_checksum_stays_right(before in 0_usize..8, size: u16, limit: u16, payload in prop::collection::vec(any::<u8>(), 0..9)) {
            let [high, low] = size.to_be_bytes();
            let options = [&vec![NO_OPERATION; before][..], &[2, 4, high, low]].concat();
            let mut bytes = segment(&options, &payload);
            clamp_segment_size(&mut bytes, limit);
            let at = HEADER + before + 2;
            prop_assert_eq!(u16::from_be_bytes([bytes[at], bytes[at + 1]]), size.min(limit));
            prop_assert!(is_sound(&bytes));
        }

        #[test]
        fn bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..80), limit: u16) {
            clamp_segment_size(&mut bytes, limit);
        }
    }
}
