//! One prefix pair in words: what it does, and which addresses have no image.

use std::net::Ipv6Addr;

use serde::Serialize;

use crate::npt::{Mapping, Prefix};

/// One prefix pair.
#[derive(Debug, Serialize)]
pub struct MappingReport {
    internal: String,
    external: String,
    /// Whether addresses stay as they are.
    identity: bool,
    /// What the chosen word is adjusted by outbound (RFC 6296 §3.1), in hexadecimal.
    adjustment: String,
    /// What has no image, one sentence each.
    without_image: Vec<String>,
}

impl MappingReport {
    pub fn new(mapping: &Mapping) -> Self {
        Self {
            internal: mapping.internal().to_string(),
            external: mapping.external().to_string(),
            identity: mapping.is_identity(),
            adjustment: format!("0x{:04x}", mapping.adjustment()),
            without_image: without_image(mapping),
        }
    }

    /// The lines of the text report.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{} <-> {}", self.internal, self.external)];
        if self.identity {
            lines.push("  identity  addresses stay as they are towards this ISP".to_owned());
        }
        let nothing = ["nothing".to_owned()];
        let without = if self.without_image.is_empty() { &nothing[..] } else { &self.without_image };
        for (index, what) in without.iter().enumerate() {
            lines.push(format!("  {}{what}", if index == 0 { "no image  " } else { "          " }));
        }
        lines
    }
}

/// Which addresses of the pair's prefixes have no image.
fn without_image(mapping: &Mapping) -> Vec<String> {
    if mapping.is_identity() {
        return Vec::new();
    }
    let mut sentences = Vec::new();
    let sides = [mapping.internal(), mapping.external()];
    let longer = sides[0].len().max(sides[1].len());
    for prefix in sides {
        let image = Prefix::containing(prefix.address(), longer);
        if image != prefix {
            sentences.push(format!("{prefix} outside {image}, since the other prefix is shorter by as much"));
        }
    }
    if longer <= 48 {
        let subnet = |prefix: Prefix| match prefix.len() {
            48 => Prefix::containing(Ipv6Addr::from_bits(prefix.address().to_bits() | 0xffff << 64), 64).to_string(),
            _ => format!("{prefix} where bits 48 to 63 are ffff"),
        };
        let [internal, external] = sides.map(|prefix| subnet(Prefix::containing(prefix.address(), longer)));
        sentences.push(format!("subnet ffff (RFC 6296 §4.2): {internal}, {external}"));
        return sentences;
    }
    sentences.push("interface identifiers of all zeros or all ones (RFC 6296 §3.5, §3.7)".to_owned());
    let [internal, external] = [!mapping.adjustment(), mapping.adjustment()];
    // With an adjustment of zero only the all-zero identifier would become one.
    if internal != 0 && external != 0 {
        sentences.push(format!(
            "interface identifier {internal:x}:0:0:0 inside and {external:x}:0:0:0 outside, which would become all zeros"
        ));
    }
    sentences
}
