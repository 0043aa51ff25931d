//! What rtnetlink tells about one device, in the namespace of the caller.

use std::io;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage};

use super::rtnetlink::ask;

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
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Link(index) => link.lower = Some(*index),
            LinkAttribute::LinkNetNsId(_) => link.lower_elsewhere = true,
            LinkAttribute::LinkInfo(infos) => {
                link.kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
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
