//! What a VLAN device says of itself by rtnetlink.

use netlink_packet_route::link::{InfoVlan, VlanProtocol};

/// The number of a VLAN by 802.1Q; a service VLAN (802.1ad) is another thing.
pub fn vlan(facts: &[InfoVlan]) -> Option<u16> {
    let is_service =
        |fact: &InfoVlan| matches!(fact, InfoVlan::Protocol(protocol) if *protocol != VlanProtocol::Ieee8021Q);
    let number = |fact: &InfoVlan| match fact {
        InfoVlan::Id(id) => Some(*id),
        _ => None,
    };
    if facts.iter().any(is_service) { None } else { facts.iter().find_map(number) }
}
