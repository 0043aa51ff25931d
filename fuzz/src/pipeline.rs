//! The whole packet path: frames on all sides, time, neighbours that answer or not.
//!
//! An input is two octets of setup (the last bit of which picks the site) and then events. An event's
//! first octet holds the edge in its low three bits (0 to 4; 5: time passes; 6: neighbours; 7: an ISP
//! comes or goes) and in the others what is mended of a frame, so that mutations get past the first checks.

use std::cell::RefCell;

use sixways::units::Nanos;

use crate::corpus::checksum;
use crate::judge::{self, ETHERNET, IPV6};
use crate::octets::Octets;
use crate::rig::site::Site;
use crate::world::{EDGES, World};

/// Events of one input; what is behind them is not looked at.
const MOST_EVENTS: usize = 40;
/// Octets of one frame.
const LONGEST_FRAME: usize = 2000;

/// The next octet names source and destination from [`World::address`]'s table.
pub const ADDRESSES: u8 = 0x08;
/// EtherType, version and payload length are made right.
pub const LENGTHS: u8 = 0x10;
/// The checksum of an ICMPv6 message behind the plain header, or at the first place where one could
/// be, is made right.
pub const CHECKSUM: u8 = 0x20;

thread_local! {
    static WORLDS: RefCell<[World; 2]> = RefCell::new([World::new(Site::standard), World::new(Site::identity)]);
}

/// One input.
pub fn run(data: &[u8]) {
    WORLDS.with_borrow_mut(|worlds| {
        let mut input = Octets(data);
        let setup = input.u16();
        let world = &mut worlds[usize::from(setup >> 15)];
        world.set_up(setup & 0x7fff);
        for _ in 0..MOST_EVENTS {
            if input.is_empty() {
                break;
            }
            event(world, &mut input);
        }
        world.clear();
    });
}

fn event(world: &mut World, input: &mut Octets<'_>) {
    let kind = input.u8();
    match kind & 7 {
        5 => world.wait(Nanos::from_millis(u64::from(kind >> 3) << input.u8().min(14))),
        6 => world.neighbours(kind & 8 == 0),
        7 => world.site().snapshot.usable ^= u16::from(kind >> 3 & 7),
        edge => {
            let addresses = if kind & ADDRESSES == 0 { 0 } else { input.u16() };
            let length = usize::from(input.u16()).min(LONGEST_FRAME);
            let mut frame = input.take(length).to_vec();
            if kind & ADDRESSES != 0 && frame.len() >= ETHERNET + IPV6 {
                let [source, destination] = addresses.to_be_bytes();
                let packet = &mut frame[ETHERNET..];
                packet[8..24].copy_from_slice(&world.address(source).octets());
                packet[24..IPV6].copy_from_slice(&world.address(destination).octets());
            }
            mend(&mut frame, kind);
            world.receive(EDGES[usize::from(edge)], &frame);
        }
    }
}

/// Makes right what `kind` says.
fn mend(frame: &mut [u8], kind: u8) {
    if frame.len() < ETHERNET + IPV6 {
        return;
    }
    if kind & LENGTHS != 0 {
        frame[12..ETHERNET].copy_from_slice(&[0x86, 0xdd]);
        let length = (frame.len() - ETHERNET - IPV6) as u16;
        let packet = &mut frame[ETHERNET..];
        packet[0] = 0x60 | packet[0] & 0xf;
        packet[4..6].copy_from_slice(&length.to_be_bytes());
    }
    let packet = &mut frame[ETHERNET..];
    let end = judge::whole(packet).unwrap_or_default().min(packet.len());
    if kind & CHECKSUM == 0 {
        return;
    }
    let (mut at, mut next) = (IPV6, packet[6]);
    while matches!(next, 0 | 43 | 60) && at + 8 <= end {
        (next, at) = (packet[at], at + 8 * (usize::from(packet[at + 1]) + 1));
    }
    if next == 58 && at + 4 <= end {
        checksum(&mut packet[..end], at);
    }
}
