//! Where a `[[lan]]` or `[[isp]]` is: an interface, and a VLAN on it.

use super::Known;
use super::values::interface;
use crate::control::config::edge_name;
use crate::control::config::reader::{At, Place, Table};

/// `interface` and `vlan` of a block.
#[derive(Debug)]
pub struct RawEdge {
    /// The block's.
    pub block: Place,
    pub interface: Known<String>,
    pub vlan: Known<Option<u64>>,
    /// Whether the file gives `vlan`.
    pub has_vlan: bool,
}

impl RawEdge {
    pub fn read(table: &Table<'_>) -> Self {
        Self {
            block: table.place(),
            interface: interface(table, "interface"),
            vlan: table.word_or_number("vlan"),
            has_vlan: table.has("vlan"),
        }
    }

    /// Name of the edge, what it is in words, and where the file says so; if all is known.
    pub fn named(&self) -> Option<(String, String, &Place)> {
        let (At { value: interface, place }, At { value: vlan, place: of_vlan }) =
            (self.interface.as_ref()?, self.vlan.as_ref()?);
        let words = match vlan {
            Some(vlan) => format!("VLAN {vlan} of interface {interface}"),
            None => format!("interface {interface}"),
        };
        let place = if self.has_vlan { of_vlan } else { place };
        Some((edge_name(interface, vlan.map(|vlan| vlan as u16)), words, place))
    }

    /// Interface and VLAN, if both are known.
    pub fn build(self) -> Option<(String, Option<u16>)> {
        Some((self.interface?.value, self.vlan?.value.map(u16::try_from).transpose().ok()?))
    }
}
