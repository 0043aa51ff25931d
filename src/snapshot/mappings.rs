//! All prefix pairs of all ISPs, found by address.

use std::net::Ipv6Addr;

use super::intervals::IntervalMap;
use crate::npt::Mapping;
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
}

/// The prefix pairs by id, by (ISP, inside address) and by outside address.
#[derive(Clone, Debug)]
pub struct MappingTable {
    by_id: Box<[Option<UplinkMapping>]>,
    outbound: Box<[IntervalMap<MappingId>]>,
    inbound: IntervalMap<MappingId>,
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
                    .filter(|mapping| mapping.uplink.index() == uplink)
                    .map(|mapping| (mapping.mapping.internal(), mapping.id))
                    .collect();
                IntervalMap::new(&entries)
            })
            .collect();
        let inbound: Vec<_> = mappings.iter().map(|mapping| (mapping.mapping.external(), mapping.id)).collect();
        Self { by_id: by_id.into(), outbound, inbound: IntervalMap::new(&inbound) }
    }

    /// The pair with this id.
    pub fn get(&self, id: MappingId) -> Option<&UplinkMapping> {
        self.by_id.get(id.index())?.as_ref()
    }

    /// The pair by which `uplink` translates the inside address `source`.
    pub fn outbound(&self, uplink: UplinkId, source: Ipv6Addr) -> Option<&UplinkMapping> {
        self.get(self.outbound.get(uplink.index())?.get(source)?)
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
