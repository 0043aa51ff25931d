//! Traffic of every kind at the two sides of a gateway, made without any library, the same from the
//! same number.
//!
//! The site is that of `site.toml`: fiber `2001:db8:1::/48`, cable `2001:db8:2::/48` with an MTU of
//! 1400. What a host outside answers goes to the images of the host inside by both ISPs, since who
//! makes the traffic does not know which ISP was chosen: one of the two is the flow's.

use std::net::Ipv6Addr;

use crate::captures::Packet;
use crate::random::Random;
use crate::slow_npt::translate;

pub const INSIDE: (&str, u8) = ("fd12:3456:789a::", 48);
pub const FIBER: (&str, u8) = ("2001:db8:1::", 48);
pub const CABLE: (&str, u8) = ("2001:db8:2::", 48);
/// The gateway's MACs.
pub const LAN_MAC: [u8; 6] = [2, 0xaa, 0, 0, 0, 1];
pub const FIBER_MAC: [u8; 6] = [2, 0xaa, 0, 0, 0, 2];
pub const CABLE_MAC: [u8; 6] = [2, 0xaa, 0, 0, 0, 3];
pub const START: u64 = 1_750_000_000_000_000_000;

/// A number has a host, a server and ports of its own: so many flows of each kind.
const NUMBERS: u64 = 20_000;

/// What comes in by each side.
#[derive(Default)]
pub struct Mixed {
    pub lan: Vec<Packet>,
    pub fiber: Vec<Packet>,
    pub cable: Vec<Packet>,
}

impl Mixed {
    pub fn len(&self) -> usize {
        self.lan.len() + self.fiber.len() + self.cable.len()
    }
}

pub fn address(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

pub fn image(host: Ipv6Addr, isp: (&str, u8)) -> Option<Ipv6Addr> {
    let words = |address: Ipv6Addr| address.segments().map(u32::from);
    let prefix = |(text, length): (&str, u8)| (words(address(text)), usize::from(length));
    let image = translate(prefix(INSIDE), prefix(isp), words(host)).ok()?;
    Some(image.map(|word| word as u16).into())
}

/// At least `count` packets.
pub fn mixed(count: usize) -> Mixed {
    let mut maker = Maker { random: Random::new(0x2545_f491_4f6c_dd1d), at: START, made: Mixed::default() };
    maker.tcp(0);
    while maker.made.len() < count {
        let number = maker.random.below(NUMBERS) as u16;
        match maker.random.below(20) {
            0..=6 => maker.tcp(number),
            7..=10 => maker.udp(number),
            11 | 12 => maker.echo(number),
            13 => maker.fragments(number),
            14 => maker.hop_limit(number),
            15 => maker.too_big(number),
            16 => maker.unasked(number),
            17 => maker.kernels(number),
            18 => maker.spoofed(number),
            _ => maker.malformed(number),
        }
    }
    maker.made
}

struct Maker {
    random: Random,
    at: u64,
    made: Mixed,
}

fn host(number: u16) -> Ipv6Addr {
    address(&format!("fd12:3456:789a:{:x}::{:x}", 1 + number % 200, 1 + number / 200))
}

fn server(number: u16) -> Ipv6Addr {
    address(&format!("2001:db8:f:{:x}::53", number % 4000))
}

fn frame(to: [u8; 6], from: u8, packet: &[u8]) -> Vec<u8> {
    [&to[..], &[6, 0, 0, 0, 0, from], &[0x86, 0xdd], packet].concat()
}

pub fn packet(source: Ipv6Addr, destination: Ipv6Addr, next: u8, hop: u8, upper: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((upper.len() as u16).to_be_bytes());
    packet.extend([next, hop]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(upper);
    packet
}

/// `upper` with the right checksum at `at`.
fn summed(source: Ipv6Addr, destination: Ipv6Addr, next: u8, mut upper: Vec<u8>, at: usize) -> Vec<u8> {
    let pseudo = [&source.octets()[..], &destination.octets(), &(upper.len() as u32).to_be_bytes(), &[0, 0, 0, next]];
    let all = [&pseudo.concat()[..], &upper, &[0]].concat();
    let mut sum: u32 = all.chunks_exact(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !(sum as u16);
    let sum = if sum == 0 && next == 17 { 0xffff } else { sum };
    upper[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    upper
}

pub fn tcp(source: (Ipv6Addr, u16), destination: (Ipv6Addr, u16), flags: u8, payload: usize, hop: u8) -> Vec<u8> {
    let mut upper = [source.1.to_be_bytes(), destination.1.to_be_bytes()].concat();
    upper.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 4, 0, 0, 0, 0, 0]);
    upper.extend((0..payload).map(|n| n as u8));
    packet(source.0, destination.0, 6, hop, &summed(source.0, destination.0, 6, upper, 16))
}

pub fn udp(source: (Ipv6Addr, u16), destination: (Ipv6Addr, u16), payload: usize, hop: u8) -> Vec<u8> {
    let mut upper = [source.1.to_be_bytes(), destination.1.to_be_bytes()].concat();
    upper.extend((8 + payload as u16).to_be_bytes());
    upper.extend([0, 0]);
    upper.extend((0..payload).map(|n| (n * 7) as u8));
    packet(source.0, destination.0, 17, hop, &summed(source.0, destination.0, 17, upper, 6))
}

pub fn icmpv6(source: Ipv6Addr, destination: Ipv6Addr, kind: u8, rest: &[u8]) -> Vec<u8> {
    let upper = [&[kind, 0, 0, 0][..], rest].concat();
    packet(source, destination, 58, 64, &summed(source, destination, 58, upper, 2))
}

const SYN: u8 = 2;
const ACK: u8 = 0x10;
const FIN: u8 = 1;

impl Maker {
    fn time(&mut self) -> u64 {
        self.at += 1000 * (1 + self.random.below(400));
        self.at
    }

    fn lan(&mut self, packet: &[u8]) {
        let at = self.time();
        self.made.lan.push((at, frame(LAN_MAC, 5, packet)));
    }

    fn fiber(&mut self, packet: &[u8]) {
        let at = self.time();
        self.made.fiber.push((at, frame(FIBER_MAC, 6, packet)));
    }

    fn cable(&mut self, packet: &[u8]) {
        let at = self.time();
        self.made.cable.push((at, frame(CABLE_MAC, 7, packet)));
    }

    /// What a server answers, to both images of `host`.
    fn answer(&mut self, host: Ipv6Addr, packet: impl Fn(Ipv6Addr) -> Vec<u8>) {
        let (fiber, cable) = (image(host, FIBER).unwrap(), image(host, CABLE).unwrap());
        self.fiber(&packet(fiber));
        self.cable(&packet(cable));
    }

    fn tcp(&mut self, number: u16) {
        let (host, server) = ((host(number), 30_000 + number % 20_000), (server(number), 443));
        self.lan(&tcp(host, server, SYN, 0, 64));
        self.answer(host.0, |to| tcp(server, (to, host.1), SYN | ACK, 0, 60));
        for _ in 0..self.random.below(5) {
            let length = self.random.below(1300) as usize;
            self.lan(&tcp(host, server, ACK, length, 64));
            self.answer(host.0, |to| tcp(server, (to, host.1), ACK, length, 60));
        }
        self.lan(&tcp(host, server, FIN | ACK, 0, 64));
    }

    fn udp(&mut self, number: u16) {
        let (host, server) = ((host(number), 20_000 + number % 10_000), (server(number), 53));
        let length = self.random.below(1200) as usize;
        self.lan(&udp(host, server, length, 64));
        self.answer(host.0, |to| udp(server, (to, host.1), length, 60));
    }

    fn echo(&mut self, number: u16) {
        let (host, server) = (host(number), server(number));
        let rest = [&number.to_be_bytes()[..], &[0, 1], &[0xab; 56]].concat();
        self.lan(&icmpv6(host, server, 128, &rest));
        self.answer(host, |to| icmpv6(server, to, 129, &rest));
    }

    fn fragments(&mut self, number: u16) {
        let (host, server) = ((host(number), 20_000 + number % 10_000), (server(number), 53));
        let whole = udp(host, server, 2392, 64)[40..].to_vec();
        for (offset, part) in [(0_u16, &whole[..1232]), (1232, &whole[1232..])] {
            let more = u16::from(offset == 0);
            let mut upper = vec![17, 0];
            upper.extend((offset | more).to_be_bytes());
            upper.extend([0, 0]);
            upper.extend(number.to_be_bytes());
            upper.extend(part);
            self.lan(&packet(host.0, server.0, 44, 64, &upper));
        }
    }

    fn hop_limit(&mut self, number: u16) {
        self.lan(&udp((host(number), 33_000), (server(number), 33_434), 20, 1));
    }

    fn too_big(&mut self, number: u16) {
        self.lan(&udp((host(number), 7000), (server(number), 7000), 1440, 64));
    }

    /// From outside: nobody asked for it.
    fn unasked(&mut self, number: u16) {
        let to = image(host(number), FIBER).unwrap();
        self.fiber(&tcp((server(number), 443), (to, 22), SYN, 0, 60));
        self.fiber(&icmpv6(server(number), to, 128, &[0; 8]));
        // The other ISP's prefix.
        self.cable(&tcp((server(number), 443), (to, 22), ACK, 0, 60));
        // Transit that is nobody's here.
        self.cable(&tcp((server(number), 443), (address("2001:db8:77::1"), 80), ACK, 0, 60));
    }

    /// What the gate leaves to the kernel.
    fn kernels(&mut self, number: u16) {
        let at = self.time();
        self.made.lan.push((at, [&LAN_MAC[..], &[6, 0, 0, 0, 0, 5], &[8, 0], &[0x45; 46]].concat()));
        self.lan(&icmpv6(address("fe80::5"), address("ff02::1:ff00:1"), 135, &[0; 20]));
        self.lan(&tcp((host(number), 40_000), (host(number.wrapping_add(1)), 22), SYN, 0, 64));
        let at = self.time();
        let others = tcp((host(number), 40_000), (server(number), 22), SYN, 0, 64);
        self.made.lan.push((at, frame([2, 0xbb, 0, 0, 0, 9], 5, &others)));
    }

    fn spoofed(&mut self, number: u16) {
        self.lan(&tcp((address("2001:db8:9::1"), 40_000), (server(number), 22), SYN, 0, 64));
        let ffff = address("fd12:3456:789a:ffff::1");
        self.lan(&tcp((ffff, 40_000), (server(number), 22), SYN, 0, 64));
        let to = image(host(number), FIBER).unwrap();
        self.fiber(&tcp((host(number), 40_000), (to, 22), SYN, 0, 64));
        // Hairpin: to a host of the site by its outside address.
        self.lan(&udp((host(number), 5000), (to, 5001), 100, 64));
    }

    fn malformed(&mut self, number: u16) {
        let mut short = tcp((host(number), 40_000), (server(number), 22), SYN, 100, 64);
        short.truncate(80);
        self.lan(&short);
        let routing = [&[17, 2, 0, 1, 0, 0, 0, 0][..], &[0; 16], &[0; 8]].concat();
        self.lan(&packet(host(number), server(number), 43, 64, &routing));
    }
}
