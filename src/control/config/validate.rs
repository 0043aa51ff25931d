//! What the parts of a configuration must be to each other.

use super::Isp;
use super::error::Problem;
use super::parse::{IspBlock, finish};
use super::read::{Located, Mistakes, Section};
use crate::limits::{MAX_EDGES, MAX_MAPPINGS, MAX_UPLINKS};
use crate::npt::{Mapping, Prefix};

/// Octets of a frame that a packet cannot have: the kernel's headroom and the stamp before it,
/// and the Ethernet header.
const OVERHEAD: u32 = 256 + 16 + 14;

/// There is something of everything, and not too much.
pub(super) fn presence(root: &Section<'_>, internal: &[Located<Prefix>], lans: usize, isps: &[IspBlock<'_>]) {
    let mistakes = root.mistakes;
    let missing = |name, text: &str| mistakes.note(name, &(0..0), Problem::Contradiction(text.to_owned()));
    if lans == 0 {
        missing("lan", "there is none; write a [[lan]] block with the interface of your hosts");
    }
    if isps.is_empty() {
        missing("isp", "there is none; write an [[isp]] block for each ISP");
    } else if isps.iter().all(|isp| isp.weight == 0) {
        missing("isp", "every weight is 0; give at least one ISP a weight");
    }
    if isps.len() > MAX_UPLINKS {
        missing("isp", &format!("{} ISPs are too many; at most {MAX_UPLINKS} fit", isps.len()));
    }
    if lans + isps.len() > MAX_EDGES {
        missing("", &format!("{} LANs and ISPs are too many; at most {MAX_EDGES} fit", lans + isps.len()));
    }
    for (n, prefix) in internal.iter().enumerate() {
        if let Some(other) = internal[..n].iter().find(|other| other.value.overlaps(prefix.value)) {
            let remedy = "keep the shorter one";
            overlap(mistakes, prefix, other.value, &other.path, remedy);
        }
    }
}

/// Every interface has one role.
pub(super) fn interfaces(mistakes: &Mistakes<'_>, lans: &[Located<String>], isps: &[IspBlock<'_>]) {
    let mut all: Vec<&Located<String>> = lans.iter().collect();
    all.extend(isps.iter().filter_map(|isp| isp.interface.as_ref()));
    once(mistakes, &all, "each [[lan]] and [[isp]] needs an interface of its own (`vlan` is not built yet)");
    let names: Vec<_> = isps.iter().filter_map(|isp| isp.name.as_ref()).collect();
    once(mistakes, &names, "give each ISP a name of its own");
}

fn once(mistakes: &Mistakes<'_>, all: &[&Located<String>], remedy: &'static str) {
    for (n, this) in all.iter().enumerate() {
        if let Some(other) = all[..n].iter().find(|other| other.value == this.value) {
            let problem = Problem::Twice { value: format!("`{}`", this.value), other: other.path.clone(), remedy };
            mistakes.note(&this.path, &this.span, problem);
        }
    }
}

/// The ISPs with their prefix pairs, which are checked against the site and one another.
pub(super) fn isps(
    mistakes: &Mistakes<'_>,
    internal: &[Located<Prefix>],
    blocks: Vec<IspBlock<'_>>,
    frame_size: u32,
) -> Option<Vec<Isp>> {
    let mut externals: Vec<Located<Prefix>> = Vec::new();
    let mut count = 0;
    let mut isps = Vec::new();
    for block in blocks {
        check_mtu(mistakes, &block, frame_size);
        let pairs = pairs(mistakes, internal, &block);
        for (inside, outside) in &pairs {
            check_pair(mistakes, internal, inside, outside);
            check_external(mistakes, &externals, outside);
        }
        for (n, (inside, _)) in pairs.iter().enumerate() {
            if let Some((other, _)) = pairs[..n].iter().find(|(other, _)| other.value == inside.value) {
                let remedy = "an ISP maps an internal prefix once";
                overlap(mistakes, inside, other.value, &other.path, remedy);
            }
        }
        externals.extend(pairs.iter().map(|(_, outside)| outside.clone()));
        count += pairs.len();
        let mappings = pairs.iter().filter_map(|(inside, outside)| Mapping::new(inside.value, outside.value).ok());
        isps.push(finish(block, mappings.collect()));
    }
    if count > MAX_MAPPINGS {
        let text = format!("{count} prefix pairs are too many; at most {MAX_MAPPINGS} fit");
        mistakes.note("isp", &(0..0), Problem::Contradiction(text));
    }
    isps.into_iter().collect()
}

fn check_mtu(mistakes: &Mistakes<'_>, block: &IspBlock<'_>, frame_size: u32) {
    if let Some(Located { value: Some(mtu), path, span }) = &block.mtu
        && u32::from(*mtu) + OVERHEAD > frame_size
    {
        let most = frame_size - OVERHEAD;
        let text =
            format!("{mtu} octets do not fit into frames of {frame_size}: at most {most} do; set frame_size = 4096");
        mistakes.note(path, span, Problem::Contradiction(text));
    }
}

/// The pairs of one ISP as written: `prefix` maps the one internal prefix.
fn pairs(
    mistakes: &Mistakes<'_>,
    internal: &[Located<Prefix>],
    block: &IspBlock<'_>,
) -> Vec<(Located<Prefix>, Located<Prefix>)> {
    let section = &block.section;
    let contradiction = |text: &str| {
        mistakes.note(&section.path_of("prefix"), &section.span, Problem::Contradiction(text.to_owned()));
    };
    match (block.has_prefix, &block.mappings) {
        (true, Some(_)) => contradiction("stands beside `mappings`; keep one of the two"),
        (false, None) => contradiction("is missing, and `mappings` too; write the prefix that the ISP delegates"),
        (false, Some(mappings)) if mappings.is_empty() => contradiction("is missing, and `mappings` is empty"),
        (false, Some(mappings)) => return mappings.clone(),
        (true, None) => match (&block.prefix, internal) {
            (Some(prefix), [inside]) => return vec![(inside.clone(), prefix.clone())],
            (Some(_), [_, _, ..]) => contradiction(
                "does not say which of the internal prefixes it maps; \
                 write mappings = [{ internal = \"…\", external = \"…\" }, …]",
            ),
            _ => {}
        },
    }
    Vec::new()
}

fn check_pair(
    mistakes: &Mistakes<'_>,
    internal: &[Located<Prefix>],
    inside: &Located<Prefix>,
    outside: &Located<Prefix>,
) {
    if !internal.is_empty() && !internal.iter().any(|site| site.value.covers(inside.value)) {
        let text = format!("{} lies in none of site.internal; add it there or correct it", inside.value);
        mistakes.note(&inside.path, &inside.span, Problem::Contradiction(text));
    }
    // The identity pair is the best answer to "a ULA inside makes hosts prefer IPv4".
    if inside.value == outside.value {
        return;
    }
    if let Some(site) = internal.iter().find(|site| site.value.overlaps(outside.value)) {
        let remedy = "an external prefix is either outside the site's, or the same as the internal one of its pair";
        overlap(mistakes, outside, site.value, &site.path, remedy);
    }
}

fn check_external(mistakes: &Mistakes<'_>, others: &[Located<Prefix>], outside: &Located<Prefix>) {
    if let Some(other) = others.iter().find(|other| other.value == outside.value) {
        let remedy = "two pairs cannot share an external prefix: who would get the answers?";
        overlap(mistakes, outside, other.value, &other.path, remedy);
    }
}

fn overlap(mistakes: &Mistakes<'_>, this: &Located<Prefix>, other: Prefix, place: &str, remedy: &'static str) {
    let problem = Problem::Overlap { prefix: this.value, other, place: place.to_owned(), remedy };
    mistakes.note(&this.path, &this.span, problem);
}
