//! Frames made by hand, put on the trunk as the switch would.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::time::Duration;

use etherparse::{Ethernet2Header, PacketBuilder, VlanId, VlanPcp};

use crate::judge::read;
use crate::lab::capture::Capture;
use crate::lab::flood::{mac, open, send};
use crate::lab::gateway::Gateway;
use crate::lab::netns::enter;
use crate::lab::{H10, SERVER};
use crate::stand::Stand;

/// Puts frames on the trunk, towards the gateway.
fn put(stand: &Stand, frames: Vec<Vec<u8>>) {
    let namespace = stand.lab.path("sw");
    let sender = std::thread::spawn(move || {
        enter(&namespace);
        let socket = open("trunk").expect("a packet socket on the trunk");
        assert_eq!(send(&socket, &frames), frames.len() as u64);
    });
    sender.join().expect("sent");
}

/// A sender that no device has, by number.
const fn stranger(number: u8) -> [u8; 6] {
    [0x02, 0xaa, 0xbb, 0xcc, 0xdd, number]
}

fn udp6(to: [u8; 6], from: [u8; 6], source: &str, destination: &str, len: usize) -> Vec<u8> {
    let address = |text: &str| text.parse::<Ipv6Addr>().expect("an address").octets();
    let builder = PacketBuilder::ethernet2(from, to).ipv6(address(source), address(destination), 64).udp(9, 9);
    let mut frame = Vec::new();
    builder.write(&mut frame, &vec![0x5a; len - 48]).expect("a vector takes all");
    frame
}

/// Puts a tag behind the MACs.
fn tagged(frame: &[u8], tpid: u16, priority: u8, vlan: u16) -> Vec<u8> {
    let tag = u16::from(VlanPcp::try_new(priority).expect("three bits").value()) << 13
        | VlanId::try_new(vlan).expect("twelve bits").value();
    [&frame[..12], &tpid.to_be_bytes(), &tag.to_be_bytes(), &frame[12..]].concat()
}

/// Everything that is not for the workers is seen on the port by the kernel's taps, octet by octet.
pub fn passed(stand: &Stand, gateway: &mut Gateway<'_>) {
    let lab = &stand.lab;
    let [lan, isp_a, port] = ["trunk0.10", "trunk0.20", "trunk0"].map(|device| mac(lab, "gw", device));
    let mut arp = Vec::new();
    let header =
        Ethernet2Header { source: stranger(1), destination: [0xff; 6], ether_type: etherparse::EtherType::ARP };
    header.write(&mut arp).expect("a vector takes all");
    arp.extend([0; 46]);
    let mut ipv4 = Vec::new();
    let builder = PacketBuilder::ethernet2(stranger(2), isp_a).ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64).udp(9, 9);
    builder.write(&mut ipv4, &[0; 30]).expect("a vector takes all");
    let transit = |to, number| udp6(to, stranger(number), H10, SERVER, 80);
    let frames = vec![
        tagged(&arp, 0x8100, 0, 10),
        tagged(&ipv4, 0x8100, 0, 20),
        tagged(&transit(lan, 3), 0x8100, 0, 999),
        tagged(&transit(stranger(0xee), 4), 0x8100, 0, 10),
        tagged(&udp6([0x33, 0x33, 0, 0, 0, 1], stranger(5), "fe80::5", "ff02::1", 80), 0x8100, 3, 30),
        tagged(&udp6(port, stranger(6), "fe80::6", "fe80::1", 80), 0x8100, 5, 0),
        tagged(&tagged(&transit(lan, 7), 0x8100, 0, 20), 0x8100, 0, 10),
        tagged(&transit(lan, 8), 0x88a8, 0, 10),
        // A MAC counts in its own VLAN only.
        tagged(&transit(lan, 9), 0x8100, 0, 20),
    ];
    let capture = Capture::start(lab, "gw", "trunk0", "");
    let before = gateway.settled();
    put(stand, frames.clone());
    std::thread::sleep(Duration::from_millis(200));
    let seen = capture.finish();
    for frame in &frames {
        let by_this: Vec<_> = seen.iter().filter(|seen| seen[6..12] == frame[6..12]).collect();
        assert_eq!(by_this, [frame], "of {} frames", seen.len());
    }
    let after = gateway.settled();
    for edge in ["trunk0", "trunk0.10", "trunk0.20", "trunk0.30"] {
        assert_eq!(after.all_dropped(edge), before.all_dropped(edge), "{edge}");
    }
}

/// The longest packet that a frame of 2048 octets carries by a VLAN has 1758; one more is too big,
/// whatever the devices' MTU.
pub fn longest(stand: &Stand, gateway: &mut Gateway<'_>) {
    let lab = &stand.lab;
    let mtu = |octets: u32| {
        for (role, device) in [("sw", "trunk"), ("gw", "trunk0"), ("gw", "trunk0.10"), ("gw", "trunk0.20")] {
            lab.sh(role, &format!("ip link set {device} mtu {octets}"));
        }
        // Until control has seen it.
        std::thread::sleep(Duration::from_millis(500));
    };
    mtu(1774);
    let (to, from) = (mac(lab, "gw", "trunk0.10"), mac(lab, "h10", "eth0"));
    let told = |len: usize| {
        let capture = stand.capture("");
        let packets = (1..=24).map(|n| udp6(to, from, H10, &format!("2001:db8:f::{n:x}"), len));
        put(stand, packets.map(|frame| tagged(&frame, 0x8100, 0, 10)).collect());
        gateway.settled();
        let frames = capture.finish_judged(|_| true);
        let carried = frames.iter().filter(|frame| frame.len() == 18 + len);
        assert!(carried.clone().all(|frame| read(frame).0 == 20), "ISP B carries 1400 octets");
        let errors = frames.iter().filter(|frame| frame.get(58) == Some(&2) && read(frame).0 == 10);
        let limits: BTreeSet<u32> =
            errors.map(|frame| u32::from_be_bytes(frame[62..66].try_into().expect("four octets"))).collect();
        (carried.count(), limits)
    };
    let (carried, limits) = told(1758);
    assert!(carried > 0, "some of 24 pairs go by ISP A");
    assert_eq!(limits, [1400].into());
    assert_eq!(told(1759), (0, [1400, 1758].into()));
    mtu(1500);
}
