//! [`Packet`] as one line of text, and back.
//!
//! ```text
//! SOURCE > DESTINATION hop N [class N] [flow N] [EXTENSION]… UPPER [declare N]
//! EXTENSION  hbh OCTETS | dstopts OCTETS | routing TYPE LEFT | frag OFFSET more|last id N | ah
//! UPPER      udp PORT PORT len N | tcp|syn|synack|fin|rst PORT PORT [mss N] len N | proto N len N
//!            reset PORT PORT at N
//!            icmp6 TYPE/CODE [mtu N | pointer N | word N] ( len N | quoting { PACKET } [cut OCTETS] )
//!            each but proto with [sum 0xN] where the checksum is not the right one
//! ```

use std::fmt;

use super::packet::{Body, Check, Extension, Flags, Packet, Upper};
use super::site::address;

/// The words of a line, taken from the front.
pub struct Words<'a> {
    words: Vec<&'a str>,
    next: usize,
}

impl<'a> Words<'a> {
    pub fn new(line: &'a str) -> Self {
        Self { words: line.split_whitespace().collect(), next: 0 }
    }

    pub fn peek(&self) -> &'a str {
        self.words.get(self.next).copied().unwrap_or("")
    }

    pub fn word(&mut self) -> &'a str {
        let word = self.peek();
        assert!(!word.is_empty(), "a word is missing at the end of: {}", self.words.join(" "));
        self.next += 1;
        word
    }

    /// Takes `word` if it comes next.
    pub fn take(&mut self, word: &str) -> bool {
        let found = self.peek() == word;
        self.next += usize::from(found);
        found
    }

    pub fn expect(&mut self, word: &str) {
        let found = self.word();
        assert_eq!(found, word, "in: {}", self.words.join(" "));
    }

    pub fn number(&mut self) -> u32 {
        let word = self.word();
        let parsed = word.strip_prefix("0x").map_or_else(|| word.parse(), |hex| u32::from_str_radix(hex, 16));
        parsed.unwrap_or_else(|_| panic!("{word} is no number, in: {}", self.words.join(" ")))
    }

    pub fn end(&self) {
        assert_eq!(self.next, self.words.len(), "`{}` is left over in: {}", self.peek(), self.words.join(" "));
    }
}

impl Packet {
    pub fn parse(words: &mut Words<'_>) -> Self {
        let source = address(words.word());
        words.expect(">");
        let destination = address(words.word());
        words.expect("hop");
        let mut packet = Self { hop: words.number() as u8, ..Self::udp(source, destination, 0) };
        if words.take("class") {
            packet.class = words.number() as u8;
        }
        if words.take("flow") {
            packet.flow = words.number();
        }
        while let Some(extension) = Extension::parse(words) {
            packet.extensions.push(extension);
        }
        packet.upper = Upper::parse(words);
        packet.declared = words.take("declare").then(|| words.number() as u16);
        packet
    }
}

impl Extension {
    fn parse(words: &mut Words<'_>) -> Option<Self> {
        let extension = match words.peek() {
            "hbh" | "dstopts" => {
                let kind = words.word();
                let octets = words.number() as usize;
                if kind == "hbh" { Self::HopByHop(octets) } else { Self::Destination(octets) }
            }
            "routing" => {
                words.expect("routing");
                Self::Routing { kind: words.number() as u8, left: words.number() as u8 }
            }
            "frag" => {
                words.expect("frag");
                let offset = words.number() as u16;
                let more = words.take("more");
                if !more {
                    words.expect("last");
                }
                words.expect("id");
                Self::Fragment { offset, more, id: words.number() }
            }
            "ah" => {
                words.expect("ah");
                Self::Authentication
            }
            _ => return None,
        };
        Some(extension)
    }
}

impl Upper {
    fn parse(words: &mut Words<'_>) -> Self {
        match words.word() {
            "udp" => {
                let (source, destination, len) = ports(words);
                Self::Udp { source, destination, len, sum: Check::parse(words) }
            }
            word @ ("tcp" | "syn" | "synack" | "fin" | "rst") => {
                let (source, destination) = (words.number() as u16, words.number() as u16);
                let mss = words.take("mss").then(|| words.number() as u16);
                words.expect("len");
                let len = words.number() as usize;
                Self::Tcp { source, destination, flags: Flags::named(word), mss, len, sum: Check::parse(words) }
            }
            "reset" => {
                let (source, destination) = (words.number() as u16, words.number() as u16);
                words.expect("at");
                Self::Reset { source, destination, sequence: words.number() }
            }
            "proto" => {
                let protocol = words.number() as u8;
                words.expect("len");
                Self::Other { protocol, len: words.number() as usize }
            }
            "icmp6" => {
                let (kind, code) = words.word().split_once('/').expect("TYPE/CODE");
                let word =
                    if ["mtu", "pointer", "word"].iter().any(|word| words.take(word)) { words.number() } else { 0 };
                let body = if words.take("quoting") { Body::parse_quote(words) } else { Body::parse_pattern(words) };
                let (kind, code) = (kind.parse().unwrap(), code.parse().unwrap());
                Self::Icmpv6 { kind, code, word, body, sum: Check::parse(words) }
            }
            other => panic!("`{other}` is no upper layer"),
        }
    }
}

fn ports(words: &mut Words<'_>) -> (u16, u16, usize) {
    let ports = (words.number() as u16, words.number() as u16);
    words.expect("len");
    (ports.0, ports.1, words.number() as usize)
}

impl Body {
    fn parse_pattern(words: &mut Words<'_>) -> Self {
        words.expect("len");
        Self::Pattern(words.number() as usize)
    }

    fn parse_quote(words: &mut Words<'_>) -> Self {
        words.expect("{");
        let packet = Box::new(Packet::parse(words));
        words.expect("}");
        Self::Quote { packet, cut: words.take("cut").then(|| words.number() as usize) }
    }
}

impl Check {
    fn parse(words: &mut Words<'_>) -> Self {
        if words.take("sum") { Self::Is(words.number() as u16) } else { Self::Right }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {} hop {}", self.source, self.destination, self.hop)?;
        if self.class != 0 {
            write!(f, " class {}", self.class)?;
        }
        if self.flow != 0 {
            write!(f, " flow {:#x}", self.flow)?;
        }
        for extension in &self.extensions {
            write!(f, " {extension}")?;
        }
        write!(f, " {}", self.upper)?;
        self.declared.map_or(Ok(()), |declared| write!(f, " declare {declared}"))
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HopByHop(octets) => write!(f, "hbh {octets}"),
            Self::Destination(octets) => write!(f, "dstopts {octets}"),
            Self::Routing { kind, left } => write!(f, "routing {kind} {left}"),
            Self::Fragment { offset, more, id } => {
                write!(f, "frag {offset} {} id {id}", if *more { "more" } else { "last" })
            }
            Self::Authentication => f.write_str("ah"),
        }
    }
}

impl fmt::Display for Upper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp { source, destination, len, sum } => write!(f, "udp {source} {destination} len {len}{sum}"),
            Self::Tcp { source, destination, flags, mss, len, sum } => {
                write!(f, "{} {source} {destination}", flags.name())?;
                mss.map_or(Ok(()), |mss| write!(f, " mss {mss}"))?;
                write!(f, " len {len}{sum}")
            }
            Self::Reset { source, destination, sequence } => {
                write!(f, "reset {source} {destination} at {sequence:#x}")
            }
            Self::Icmpv6 { kind, code, word, body, sum } => {
                write!(f, "icmp6 {kind}/{code}")?;
                match (kind, word) {
                    (_, 0) => {}
                    (2, mtu) => write!(f, " mtu {mtu}")?,
                    (4, pointer) => write!(f, " pointer {pointer}")?,
                    (_, word) => write!(f, " word {word:#x}")?,
                }
                write!(f, " {body}{sum}")
            }
            Self::Other { protocol, len } => write!(f, "proto {protocol} len {len}"),
        }
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(len) => write!(f, "len {len}"),
            Self::Quote { packet, cut: None } => write!(f, "quoting {{ {packet} }}"),
            Self::Quote { packet, cut: Some(octets) } => write!(f, "quoting {{ {packet} }} cut {octets}"),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right => Ok(()),
            Self::Is(value) => write!(f, " sum {value:#06x}"),
        }
    }
}
