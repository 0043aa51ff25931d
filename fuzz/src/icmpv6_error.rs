//! ICMPv6 errors in transit: the outer packet is right, its checksum too, and the quote is whatever
//! the input says.

use std::cell::RefCell;

use sixways::units::Nanos;

use crate::corpus::checksum;
use crate::judge::{ETHERNET, IPV6};
use crate::octets::Octets;
use crate::rig::site::Site;
use crate::world::{EDGES, World};

/// Octets of one quote.
const LONGEST_QUOTE: usize = 1500;

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::new(Site::standard));
}

/// One input: setup, outer addresses, quoted addresses, what else to do, extension headers, type, code,
/// parameter, quote.
pub fn run(data: &[u8]) {
    WORLD.with_borrow_mut(|world| {
        let mut input = Octets(data);
        world.set_up(input.u16() & 0x7fff);
        let [source, destination, from, to] = input.u32().to_be_bytes();
        let (choices, extensions) = (input.u8(), input.u8());
        let message = [input.take(2), &[0, 0], &input.u32().to_be_bytes()].concat();
        let mut quote = input.take(LONGEST_QUOTE).to_vec();
        if choices & 8 == 0 && quote.len() >= IPV6 {
            quote[0] = 0x60 | quote[0] & 0xf;
            quote[8..24].copy_from_slice(&world.address(from).octets());
            quote[24..IPV6].copy_from_slice(&world.address(to).octets());
        }
        let edge = EDGES[usize::from(choices & 7) % EDGES.len()];
        if choices & 0x10 != 0 && quote.len() >= IPV6 {
            // What the error is about may have gone by before.
            let way = EDGES[usize::from(choices >> 5) % EDGES.len()];
            let packet = invoking(world, &quote, from, to, choices & 8 == 0);
            world.receive(way, &packet);
        }
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, 58, 64];
        packet.extend(world.address(source).octets());
        packet.extend(world.address(destination).octets());
        for _ in 0..extensions % 10 {
            let kind = if extensions & 0x80 == 0 { 60 } else { 43 };
            let last = std::mem::replace(&mut packet[6], kind);
            packet.splice(IPV6..IPV6, [last, 0, 4, 0, 0, 0, 0, 0]);
        }
        let at = packet.len();
        packet.extend(message);
        packet.extend(quote);
        let length = (packet.len() - IPV6) as u16;
        packet[4..6].copy_from_slice(&length.to_be_bytes());
        if at + 4 <= packet.len() {
            checksum(&mut packet, at);
        }
        let packet = frame(world, edge.index(), packet);
        world.receive(edge, &packet);
        world.neighbours(choices & 1 == 0);
        world.wait(Nanos::from_millis(1000));
        world.clear();
    });
}

/// The packet that `quote` is the image of: its hop limit is good, its length right, and its source the
/// inside form of the quoted one, if that is one of the table.
fn invoking(world: &mut World, quote: &[u8], from: u8, to: u8, named: bool) -> Vec<u8> {
    let mut packet = quote.to_vec();
    packet[0] = 0x60 | packet[0] & 0xf;
    packet[7] = 64;
    let length = (packet.len() - IPV6) as u16;
    packet[4..6].copy_from_slice(&length.to_be_bytes());
    if named {
        let inside = |which: u8| if which & 0xf3 <= 2 { which | 3 } else { which };
        packet[8..24].copy_from_slice(&world.address(inside(from)).octets());
        packet[24..IPV6].copy_from_slice(&world.address(to).octets());
    }
    frame(world, 0, packet)
}

fn frame(world: &mut World, edge: usize, packet: Vec<u8>) -> Vec<u8> {
    let mut frame = world.site().mac(EDGES[edge]).0.to_vec();
    frame.extend([2, 0, 0, 0, 0, 1, 0x86, 0xdd]);
    assert_eq!(frame.len(), ETHERNET);
    frame.extend(packet);
    frame
}
