//! An ISP that has put two /64s on the link to its customer, and routes nothing there.

use std::net::Ipv6Addr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::lab::capture::Capture;
use crate::lab::flood::{mac, open, send};
use crate::lab::gateway::Gateway;
use crate::lab::netns::enter;
use crate::lab::process::eventually;
use crate::lab::{H10, H20, Lab};
use crate::slow_npt::translate;
use crate::solicitation::{Advertisement, Solicitation};

/// The gateway's own address on the link.
pub const OWN: &str = "2001:db8:1:77ab::2";
/// The ISP's router.
pub const ROUTER: &str = "fe80::1";
/// Who asks by hand: an address that the router's kernel does not ask from.
pub const ASKER: &str = "fe80::99";
/// An inside address that no host has.
pub const NOBODY: &str = "fd12:3456:789a:10::dead";

/// The gateway's configuration with this `nd_proxy`.
pub fn config(nd_proxy: &str) -> String {
    format!(
        r#"
version = 1
[site]
internal = ["fd12:3456:789a::/48"]
[[lan]]
interface = "lan0"
[[isp]]
probes = []
name = "fiber"
interface = "wan0"
mappings = [
    {{ internal = "fd12:3456:789a:10::/64", external = "2001:db8:1:77ab::/64" }},
    {{ internal = "fd12:3456:789a:20::/64", external = "2001:db8:1:77ac::/64" }},
]
next_hop = "{ROUTER}"
nd_proxy = {nd_proxy}
[filter]
allow = [
    {{ dst = "fd12:3456:789a::/48", proto = "tcp", dst_port = 9001 }},
    {{ dst = "fd12:3456:789a::/48", proto = "udp", dst_port = 9000 }},
]
[metrics]
listen = "[::1]:9636"
"#
    )
}

/// The ISP's router routes no more; the gateway has an address on the link as well.
pub fn put_on_link(lab: &Lab) {
    lab.sh("ispa", "ip -6 route del 2001:db8:1::/48 dev cust");
    for subnet in ["77ab", "77ac"] {
        lab.sh("ispa", &format!("ip -6 addr replace 2001:db8:1:{subnet}::1/64 dev cust"));
    }
    lab.sh("gw", &format!("ip -6 addr replace {OWN}/64 dev wan0"));
}

/// The image of an inside address, by the text of RFC 6296.
pub fn image(inside: &str) -> Ipv6Addr {
    let words = |text: &str| text.parse::<Ipv6Addr>().expect("an address").segments().map(u32::from);
    let address = words(inside);
    let outside = if address[3] == 0x10 { "2001:db8:1:77ab::" } else { "2001:db8:1:77ac::" };
    let mut prefix = address;
    prefix[4..].fill(0);
    let image = translate((prefix, 64), (words(outside), 64), address).expect("an image");
    Ipv6Addr::from(image.map(|word| word as u16))
}

/// The two hosts, on the LAN's link and behind its inner router.
pub fn images() -> [Ipv6Addr; 2] {
    [H10, H20].map(image)
}

/// A packet socket of the ISP's router.
pub struct Wire<'lab> {
    lab: &'lab Lab,
    socket: OwnedFd,
    /// The router's MAC.
    pub router: [u8; 6],
    /// The gateway's MAC.
    pub gateway: [u8; 6],
}

impl<'lab> Wire<'lab> {
    pub fn new(lab: &'lab Lab) -> Self {
        let namespace = lab.path("ispa");
        let opened = std::thread::spawn(move || {
            enter(&namespace);
            open("cust").expect("a packet socket")
        });
        let socket = opened.join().expect("it opens");
        Self { lab, socket, router: mac(lab, "ispa", "cust"), gateway: mac(lab, "gw", "wan0") }
    }

    pub fn send(&self, frames: &[Vec<u8>]) {
        for batch in frames.chunks(64) {
            assert_eq!(send(&self.socket, batch), batch.len() as u64);
        }
    }

    /// What a router asks that looks for `target`.
    pub fn asks(&self, target: Ipv6Addr) -> Solicitation {
        Solicitation::multicast(self.router, ASKER.parse().expect("an address"), target)
    }

    /// The advertisements that come while `during` runs and `wait` afterwards, but for those that the
    /// router's kernel has asked for.
    pub fn advertised(&self, wait: Duration, during: impl FnOnce()) -> Vec<Advertisement> {
        let capture = Capture::start(self.lab, "ispa", "cust", "icmp6");
        during();
        std::thread::sleep(wait);
        told(&capture.finish())
    }

    /// The answers to one frame that come in so much time.
    pub fn answers(&self, solicitation: &Solicitation, wait: Duration) -> Vec<Advertisement> {
        let told = self.advertised(wait, || self.send(&[solicitation.frame()]));
        told.into_iter().filter(|told| told.target == solicitation.target).collect()
    }

    /// The answers to one frame that must have one: that, and what follows it closely.
    #[track_caller]
    pub fn answered(&self, solicitation: &Solicitation) -> Vec<Advertisement> {
        let about = |frames: &[Vec<u8>]| {
            told(frames).into_iter().filter(|told| told.target == solicitation.target).collect::<Vec<_>>()
        };
        let capture = Capture::start(self.lab, "ispa", "cust", "icmp6");
        self.send(&[solicitation.frame()]);
        eventually("an answer", Duration::from_secs(5), || !about(&capture.so_far()).is_empty());
        std::thread::sleep(Duration::from_millis(300));
        about(&capture.finish())
    }
}

/// The advertisements among these frames, but for those that the router's kernel has asked for.
fn told(frames: &[Vec<u8>]) -> Vec<Advertisement> {
    let told = frames.iter().filter_map(|frame| Advertisement::read(frame));
    told.filter(|told| told.destination.is_multicast() || told.destination.to_string() == ASKER).collect()
}

/// Solicitations with this outcome so far.
pub fn outcome(gateway: &Gateway<'_>, outcome: &str) -> u64 {
    let metrics = gateway.metrics();
    let name = format!("sixways_nd_proxy_solicitations_total{{isp=\"fiber\",outcome=\"{outcome}\"}} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
    value.unwrap_or_else(|| panic!("no {name}in\n{metrics}")).parse().expect("a number")
}
