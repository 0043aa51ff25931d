//! Ids of ports, edges, uplinks and mappings, by name: kept over reloads and restarts, so that
//! counters, pinned maps and flow records go on meaning the same thing.
//!
//! A name that left the configuration keeps its id for its return. Only when ids run out is
//! that of the name which is gone longest given to another; [`Ids::assign`] reports it, since
//! whatever still refers to it must be swept first.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::control::config::Config;
use crate::limits::{MAX_EDGES, MAX_MAPPINGS, MAX_PORTS, MAX_UPLINKS};
use crate::npt::Mapping;
use crate::units::{EdgeId, MappingId, PortId, UplinkId};

/// The ids in use and those kept for names that may return.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ids {
    ports: Names,
    edges: Names,
    uplinks: Names,
    mappings: Names,
}

/// More things than ids.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has {count} {what}; at most {limit} fit, so remove some")]
pub struct TooMany {
    what: &'static str,
    count: usize,
    limit: usize,
}

/// Ids that now mean something else than in the last assignment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reused {
    /// Edges: their counters start anew.
    pub edges: Vec<EdgeId>,
    /// Mappings: flow records with them must be gone before the next generation is published.
    pub mappings: Vec<MappingId>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    /// Id of each name.
    ids: BTreeMap<String, u8>,
    /// Names that are not configured, longest gone first.
    gone: Vec<String>,
}

impl Ids {
    /// Gives every interface, ISP and prefix pair of `config` its id.
    ///
    /// # Errors
    /// With more of a kind than there are ids; nothing is changed then.
    pub fn assign(&mut self, config: &Config) -> Result<Reused, TooMany> {
        let lans = config.lans.iter().map(|lan| (&lan.interface, lan.edge_name()));
        let (interfaces, edges): (BTreeSet<String>, BTreeSet<String>) = lans
            .chain(config.isps.iter().map(|isp| (&isp.interface, isp.edge_name())))
            .map(|(interface, edge)| (interface.clone(), edge))
            .unzip();
        let isps = config.isps.iter().map(|isp| isp.name.clone()).collect();
        let pairs =
            config.isps.iter().flat_map(|isp| isp.pairs().map(|mapping| mapping_name(&isp.name, mapping))).collect();
        let mut next = self.clone();
        next.ports.assign(&interfaces, "interfaces", MAX_PORTS)?;
        let edges = next.edges.assign(&edges, "interfaces and VLANs", MAX_EDGES)?;
        next.uplinks.assign(&isps, "ISPs", MAX_UPLINKS)?;
        let mappings = next.mappings.assign(&pairs, "prefix pairs", MAX_MAPPINGS)?;
        *self = next;
        Ok(Reused {
            edges: edges.into_iter().map(EdgeId).collect(),
            mappings: mappings.into_iter().map(MappingId).collect(),
        })
    }

    /// The id of the device `interface`.
    pub fn port(&self, interface: &str) -> Option<PortId> {
        self.ports.ids.get(interface).copied().map(PortId)
    }

    /// The id of the edge called `name` ([`crate::control::config::edge_name`]).
    pub fn edge(&self, name: &str) -> Option<EdgeId> {
        self.edges.ids.get(name).copied().map(EdgeId)
    }

    /// The id of the ISP called `name`.
    pub fn uplink(&self, name: &str) -> Option<UplinkId> {
        self.uplinks.ids.get(name).copied().map(UplinkId)
    }

    /// The id of a prefix pair of the ISP called `isp`.
    pub fn mapping(&self, isp: &str, mapping: &Mapping) -> Option<MappingId> {
        self.mappings.ids.get(&mapping_name(isp, mapping)).copied().map(MappingId)
    }

    /// Whether the ids could have come from [`Ids::assign`]: no id twice and none out of range.
    pub(super) fn is_sound(&self) -> bool {
        [
            (&self.ports, MAX_PORTS),
            (&self.edges, MAX_EDGES),
            (&self.uplinks, MAX_UPLINKS),
            (&self.mappings, MAX_MAPPINGS),
        ]
        .into_iter()
        .all(|(names, limit)| {
            let distinct: BTreeSet<_> = names.ids.values().collect();
            distinct.len() == names.ids.len()
                && distinct.iter().all(|id| usize::from(**id) < limit)
                && names.gone.iter().all(|name| names.ids.contains_key(name))
        })
    }
}

fn mapping_name(isp: &str, mapping: &Mapping) -> String {
    format!("{isp} {} {}", mapping.internal(), mapping.external())
}

impl Names {
    /// Returns the ids that changed hands.
    fn assign(&mut self, names: &BTreeSet<String>, what: &'static str, limit: usize) -> Result<Vec<u8>, TooMany> {
        if names.len() > limit {
            return Err(TooMany { what, count: names.len(), limit });
        }
        self.gone.retain(|name| !names.contains(name));
        let left: Vec<String> =
            self.ids.keys().filter(|name| !names.contains(*name) && !self.gone.contains(name)).cloned().collect();
        self.gone.extend(left);
        let mut reused = Vec::new();
        for name in names {
            if self.ids.contains_key(name) {
                continue;
            }
            let taken: BTreeSet<u8> = self.ids.values().copied().collect();
            let never_used = (0..limit).map(|id| id as u8).find(|id| !taken.contains(id));
            let id = match never_used {
                Some(id) => id,
                None => {
                    // As many names as ids at most, so one of the ids belongs to a name that is gone.
                    let longest_gone = self.gone.remove(0);
                    let id = self.ids.remove(&longest_gone).unwrap_or_default();
                    reused.push(id);
                    id
                }
            };
            self.ids.insert(name.clone(), id);
        }
        Ok(reused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_name_keeps_its_id_whatever_comes_and_goes() {
        let mut ids = Names::default();
        ids.assign(&names(&["b", "c"]), "things", 8).unwrap();
        let (b, c) = (ids.ids["b"], ids.ids["c"]);
        ids.assign(&names(&["a", "c"]), "things", 8).unwrap();
        assert_eq!(ids.ids["c"], c);
        assert!(ids.ids["a"] != b && ids.ids["a"] != c, "the id of a name that is gone is not handed on");
        ids.assign(&names(&["b", "a"]), "things", 8).unwrap();
        assert_eq!(ids.ids["b"], b);
    }

    #[test]
    fn when_ids_run_out_the_longest_gone_name_gives_its_own_up() {
        let mut ids = Names::default();
        ids.assign(&names(&["a", "b"]), "things", 3).unwrap();
        ids.assign(&names(&["b"]), "things", 3).unwrap();
        ids.assign(&names(&["c"]), "things", 3).unwrap();
        let a = ids.ids["a"];
        assert_eq!(ids.assign(&names(&["c", "d"]), "things", 3).unwrap(), [a]);
        assert_eq!(ids.ids["d"], a);
        assert!(!ids.ids.contains_key("a"));
        let distinct: BTreeSet<_> = ids.ids.values().collect();
        assert_eq!(distinct.len(), ids.ids.len());
    }

    #[test]
    fn too_many_names_change_nothing() {
        let mut ids = Names::default();
        ids.assign(&names(&["a"]), "things", 2).unwrap();
        let before = ids.clone();
        let error = ids.assign(&names(&["a", "b", "c"]), "things", 2).unwrap_err();
        assert_eq!(error.to_string(), "the configuration has 3 things; at most 2 fit, so remove some");
        assert_eq!(ids, before);
    }
}
