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
            sentences.push(format!("{prefix} outside {image}, since the other prefix has no more subnets"));
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
    let [inside, outside] = zeroed(mapping);
    // With an adjustment of zero only the all-zero identifier would become one.
    if outside != 0 {
        sentences.push(format!(
            "interface identifier {inside:x}:0:0:0 inside and {outside:x}:0:0:0 outside, which would become all zeros"
        ));
    }
    sentences
}

/// The first words of the interface identifiers, inside and outside, that the adjustment turns
/// into zero when zeros follow: what is added makes 0xFFFF of them, which is stored as zero.
fn zeroed(mapping: &Mapping) -> [u16; 2] {
    [!mapping.adjustment(), mapping.adjustment()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::npt::Unmappable;
    use proptest::prelude::*;

    fn mapping(internal: &str, external: &str) -> Mapping {
        Mapping::new(internal.parse().unwrap(), external.parse().unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn the_identifiers_that_are_named_are_those_without_return(internal in any::<u64>(), external in any::<u64>()) {
            let prefix = |bits: u64| Prefix::containing(Ipv6Addr::from_bits(u128::from(bits) << 64), 64);
            let (internal, external) = (prefix(internal), prefix(external));
            prop_assume!(internal != external);
            let mapping = Mapping::new(internal, external).unwrap();
            let address = |prefix: Prefix, word: u16| {
                Ipv6Addr::from_bits(prefix.address().to_bits() | u128::from(word) << 48)
            };
            let [inside, outside] = zeroed(&mapping);
            let meant = if outside == 0 { Unmappable::IidAllZero } else { Unmappable::NoReturn };
            prop_assert_eq!(mapping.inbound(address(external, outside)), Err(meant));
            if outside != 0 {
                prop_assert_eq!(mapping.outbound(address(internal, inside)), Err(Unmappable::NoReturn));
            }
        }
    }

    #[test]
    fn what_has_no_image_is_said_by_length() {
        let said = |internal, external| without_image(&mapping(internal, external)).join("; ");
        assert_eq!(said("2001:db8:1::/48", "2001:db8:1::/48"), "");
        let equal = said("fd12:3456:789a::/48", "2001:db8:1::/48");
        assert_eq!(equal, "subnet ffff (RFC 6296 §4.2): fd12:3456:789a:ffff::/64, 2001:db8:1:ffff::/64");
        let wide = said("fd12:3400::/32", "2001:db8::/32");
        assert!(wide.contains("fd12:3400::/32 where bits 48 to 63 are ffff"), "{wide}");
        let unequal = said("fd12:3456:789a::/48", "2001:db8:1:aa00::/56");
        assert!(unequal.starts_with("fd12:3456:789a::/48 outside fd12:3456:789a::/56"), "{unequal}");
        assert!(unequal.contains("all zeros or all ones"), "{unequal}");
    }
}
