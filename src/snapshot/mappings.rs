//! All prefix pairs of all ISPs, found by address.

use std::net::Ipv6Addr;

use super::intervals::IntervalMap;
use crate::npt::{Mapping, Unmappable};
use crate::units::{MappingId, UplinkId};

/// One prefix pair and the ISP that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UplinkMapping {
    /// Kept over reloads; flow records name it.
    pub id: MappingId,
    /// Whose external prefix it is.
    pub uplink: UplinkId,
    /// The translation.
    pub mapping: Mapping,
    /// The ISP has another prefix now: flows keep the pair, and no new one gets it.
    pub former: bool,
}

/// The prefix pairs by id, by (ISP, inside address) and by outside address.
#[derive(Clone, Debug)]
pub struct MappingTable {
    by_id: Box<[Option<UplinkMapping>]>,
    outbound: Box<[IntervalMap<MappingId>]>,
    inbound: IntervalMap<MappingId>,
    /// Whether an external prefix lies within another: then an image may belong to another pair.
    nested: bool,
}

impl MappingTable {
    /// The table of `mappings`, whose uplinks are numbered below `uplinks`.
    pub fn new(mappings: &[UplinkMapping], uplinks: usize) -> Self {
        let size = mappings.iter().map(|mapping| mapping.id.index() + 1).max().unwrap_or(0);
        let mut by_id = vec![None; size];
        for mapping in mappings {
            by_id[mapping.id.index()] = Some(*mapping);
        }
        let outbound = (0..uplinks)
            .map(|uplink| {
                let entries: Vec<_> = mappings
                    .iter()
                    .filter(|mapping| mapping.uplink.index() == uplink && !mapping.former)
                    .map(|mapping| (mapping.mapping.internal(), mapping.id))
                    .collect();
                IntervalMap::new(&entries)
            })
            .collect();
        let inbound: Vec<_> = mappings.iter().map(|mapping| (mapping.mapping.external(), mapping.id)).collect();
        let contains =
            |a: &UplinkMapping, b: &UplinkMapping| a.id != b.id && a.mapping.external().covers(b.mapping.external());
        let nested = mappings.iter().any(|a| mappings.iter().any(|b| contains(a, b)));
        Self { by_id: by_id.into(), outbound, inbound: IntervalMap::new(&inbound), nested }
    }

    /// The pair with this id.
    pub fn get(&self, id: MappingId) -> Option<&UplinkMapping> {
        self.by_id.get(id.index())?.as_ref()
    }

    /// The pair by which `uplink` translates the inside address `source`.
    pub fn outbound(&self, uplink: UplinkId, source: Ipv6Addr) -> Option<&UplinkMapping> {
        self.get(self.outbound.get(uplink.index())?.get(source)?)
    }

    /// The image of the inside address `source` by `uplink`, and the pair that makes it.
    ///
    /// # Errors
    /// When there is none, or the image lies in a longer external prefix of another pair, which
    /// would get the answers.
    pub fn image(&self, uplink: UplinkId, source: Ipv6Addr) -> Result<(&UplinkMapping, Ipv6Addr), Unmappable> {
        let mapping = self.outbound(uplink, source).ok_or(Unmappable::NotInPrefix)?;
        Ok((mapping, self.image_by(mapping, source)?))
    }

    /// The image of the inside address `source` by `mapping`, one of this table's.
    ///
    /// # Errors
    /// As for [`MappingTable::image`].
    pub fn image_by(&self, mapping: &UplinkMapping, source: Ipv6Addr) -> Result<Ipv6Addr, Unmappable> {
        let image = mapping.mapping.outbound(source)?;
        if self.nested && self.inbound(image).map(|owner| owner.id) != Some(mapping.id) {
            return Err(Unmappable::NoReturn);
        }
        Ok(image)
    }

    /// The pair whose external prefix contains the outside address `destination`.
    pub fn inbound(&self, destination: Ipv6Addr) -> Option<&UplinkMapping> {
        self.get(self.inbound.get(destination)?)
    }

    /// Every pair.
    pub fn iter(&self) -> impl Iterator<Item = &UplinkMapping> {
        self.by_id.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(id: u8, uplink: u8, internal: &str, external: &str) -> UplinkMapping {
        let mapping = Mapping::new(internal.parse().unwrap(), external.parse().unwrap()).unwrap();
        UplinkMapping { id: MappingId(id), uplink: UplinkId(uplink), mapping, former: false }
    }

    #[test]
    fn the_longest_external_prefix_has_the_address() {
        let table = MappingTable::new(
            &[pair(0, 0, "fd00::/32", "2001:db8::/32"), pair(5, 1, "fd00:0:1::/48", "2001:db8:7::/48")],
            2,
        );
        assert_eq!(table.inbound("2001:db8:7::1".parse().unwrap()).unwrap().id, MappingId(5));
        assert_eq!(table.inbound("2001:db8:8::1".parse().unwrap()).unwrap().id, MappingId(0));
        assert!(table.inbound("2001:db9::1".parse().unwrap()).is_none());
    }

    #[test]
    fn a_former_pair_is_known_to_its_flows_and_to_those_outside_only() {
        let former = UplinkMapping { former: true, ..pair(0, 0, "fd00:1:2::/48", "2001:db8:1::/48") };
        let table = MappingTable::new(&[former, pair(1, 0, "fd00:1:2::/48", "2001:db8:2::/48")], 1);
        let host = "fd00:1:2:3::4".parse().unwrap();
        assert_eq!(table.outbound(UplinkId(0), host).unwrap().id, MappingId(1));
        let image = table.image_by(table.get(MappingId(0)).unwrap(), host).unwrap();
        assert_eq!(table.inbound(image), Some(&former));
    }

    #[test]
    fn an_image_that_another_pair_would_take_back_is_none() {
        let table = MappingTable::new(
            &[pair(0, 0, "fd00::/32", "2001:db8::/32"), pair(1, 1, "fd00:0:1::/48", "2001:db8:7::/48")],
            2,
        );
        // The outer pair keeps bits 32 to 47, so this one's image lies in the inner prefix.
        assert_eq!(table.image(UplinkId(0), "fd00:0:7::1".parse().unwrap()).unwrap_err(), Unmappable::NoReturn);
        assert!(table.image(UplinkId(0), "fd00:0:8::1".parse().unwrap()).is_ok());
    }
}
