//! What rtnetlink tells about one device, in the namespace of the caller.

use std::io;

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoData, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage};

use super::rtnetlink::ask;
use crate::os::vlan;

/// One device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether frames on it are Ethernet frames.
    pub ethernet: bool,
    /// Whether it is set up.
    pub up: bool,
    /// Its MTU in octets.
    pub mtu: u32,
    /// Its kind if it is not hardware: `veth`, `bridge`, …
    pub kind: Option<String>,
    /// Index of the device below it, or of a veth's other end.
    pub lower: Option<u32>,
    /// Whether that index counts in another namespace.
    pub lower_elsewhere: bool,
    /// What VLAN of the device below it is, if it is one (802.1Q).
    pub vlan: Option<u16>,
    /// Index of the bridge or bond that it is a port of.
    pub controller: Option<u32>,
}

/// How to name a device.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// By name.
    Name(&'a str),
    /// By index.
    Index(u32),
}

/// Looks a device up.
///
/// # Errors
///
/// ENODEV: there is none.
pub fn link(key: Key<'_>) -> io::Result<Link> {
    let mut wanted = LinkMessage::default();
    match key {
        Key::Name(name) => wanted.attributes.push(LinkAttribute::IfName(name.to_owned())),
        Key::Index(index) => wanted.header.index = index,
    }
    match ask(RouteNetlinkMessage::GetLink(wanted), 0)?.as_slice() {
        [RouteNetlinkMessage::NewLink(message)] => Ok(understand(message)),
        _ => Err(io::Error::other("rtnetlink gave no answer about the link")),
    }
}

/// All devices.
///
/// # Errors
///
/// The kernel's refusal.
pub fn links() -> io::Result<Vec<Link>> {
    let answers = ask(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_DUMP)?;
    let link = |answer: &RouteNetlinkMessage| match answer {
        RouteNetlinkMessage::NewLink(message) => Some(understand(message)),
        _ => None,
    };
    Ok(answers.iter().filter_map(link).collect())
}

fn understand(message: &LinkMessage) -> Link {
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        ethernet: message.header.link_layer_type == LinkLayerType::Ether,
        up: message.header.flags.contains(LinkFlags::Up),
        mtu: 0,
        kind: None,
        lower: None,
        lower_elsewhere: false,
        vlan: None,
        controller: None,
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Link(index) => link.lower = Some(*index),
            LinkAttribute::LinkNetNsId(_) => link.lower_elsewhere = true,
            LinkAttribute::Controller(index) => link.controller = Some(*index),
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    match info {
                        LinkInfo::Kind(kind) => link.kind = Some(kind.to_string()),
                        LinkInfo::Data(InfoData::Vlan(facts)) => link.vlan = vlan(facts),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    link
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_found_by_name_and_by_index() {
        let lo = link(Key::Name("lo")).unwrap();
        assert_eq!(lo.name, "lo");
        assert!(!lo.ethernet);
        assert_eq!(link(Key::Index(lo.index)).unwrap(), lo);
        assert_eq!(link(Key::Name("nonesuch0")).unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }
}
