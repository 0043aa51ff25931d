//! Real peers: on every side the machine's own kernel and the programs that everybody uses, with a
//! gateway between them that they must not notice.

mod datagrams;
mod dns;
#[path = "../lab/mod.rs"]
mod lab;
mod odd;
mod quic;
mod reach;
mod tcp;

use std::process::Command;
use std::time::Duration;

use lab::gateway::Gateway;
use lab::process::eventually;
use lab::steps::Steps;
use lab::traffic::{Helper, Server, ping};
use lab::{H20, ISP_A, ISP_B, Lab, PYTHON};

/// One ISP, and a server that rules send to by it.
#[derive(Clone, Copy)]
struct Way {
    /// What it delegates.
    isp: &'static str,
    /// The server's address that leads by it.
    server: &'static str,
    /// Its router's namespace.
    role: &'static str,
    /// Its router's address.
    router: &'static str,
    /// The gateway's interface.
    interface: &'static str,
    /// The largest packet that it carries.
    mtu: u32,
}

const WAYS: [Way; 2] = [
    Way {
        isp: ISP_A,
        server: "2001:db8:f:0:a::53",
        role: "ispa",
        router: "2001:db8:a::1",
        interface: "wan0",
        mtu: 1500,
    },
    Way {
        isp: ISP_B,
        server: "2001:db8:f:0:b::53",
        role: "ispb",
        router: "2001:db8:b::1",
        interface: "wan1",
        mtu: 1400,
    },
];

const CONFIG: &str = r#"
version = 1
[site]
internal = ["fd12:3456:789a::/48"]
[[lan]]
interface = "lan0"
[[isp]]
probes = []
name = "fiber"
interface = "wan0"
prefix = "2001:db8:1::/48"
next_hop = "fe80::1"
[[isp]]
probes = []
name = "cable"
interface = "wan1"
prefix = "2001:db8:2::/48"
mtu = 1400
[[rule]]
match = { dst = "2001:db8:f:0:a::/80" }
isps = ["fiber"]
else = "drop"
[[rule]]
match = { dst = "2001:db8:f:0:b::/80" }
isps = ["cable"]
else = "drop"
[metrics]
listen = "[::1]:9636"
"#;

/// What the world may ask of hosts inside.
const SERVICES: &str = r#"
[filter]
allow = [
    { dst = "fd12:3456:789a::/48", proto = "tcp", dst_port = [53, 80, 5201, 8000, 8080, 9001] },
    { dst = "fd12:3456:789a::/48", proto = "udp", dst_port = [53, 4433, 9000, "33434-33534", "44444-44544"] },
    { dst = "fd12:3456:789a::/48", proto = 253 },
]
"#;

/// The helper program of these tests.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lib/peers.py");

/// A lab with a running gateway, and where the world sees its hosts.
struct Stand<'lab> {
    gateway: Gateway<'lab>,
    /// By ISP, in the order of [`WAYS`].
    h10: [String; 2],
    /// By ISP.
    h20: [String; 2],
}

impl<'lab> Stand<'lab> {
    fn start(lab: &'lab Lab, more: &str) -> Self {
        // Its own, not only routed to it: dnsmasq takes TCP at addresses of a device alone.
        WAYS.iter().for_each(|way| drop(lab.sh("srv", &format!("ip addr add {}/128 dev lo", way.server))));
        let gateway = Gateway::start_with(lab, &(CONFIG.to_owned() + more));
        for (role, way) in [("h10", WAYS[0]), ("h20", WAYS[0]), ("h10", WAYS[1]), ("h20", WAYS[1])] {
            eventually("the first echo", Duration::from_secs(5), || ping(lab, role, way.server, 1, 10) == 1);
        }
        let _server = Server::start(lab, "srv", true);
        let seen = |role| WAYS.map(|way| lab.sh(role, &format!("curl -sSfg http://[{}]:8080/whoami", way.server)));
        let [h10, h20] = ["h10", "h20"].map(|role| seen(role).map(|text| text.trim().to_owned()));
        Self { gateway, h10, h20 }
    }

    /// Both directions by both ISPs between `h20` and the server: asker, its address, asked, the
    /// address that it is asked at, and the ISP.
    fn conversations(&self) -> Vec<Conversation> {
        let outbound = WAYS.map(|way| Conversation {
            asker: "h20",
            source: H20.to_owned(),
            asked: "srv",
            target: way.server.to_owned(),
            way,
        });
        let inbound = WAYS.iter().zip(&self.h20).map(|(way, image)| Conversation {
            asker: "srv",
            source: way.server.to_owned(),
            asked: "h20",
            target: image.clone(),
            way: *way,
        });
        outbound.into_iter().chain(inbound).collect()
    }
}

/// Who asks whom, by which ISP.
struct Conversation {
    asker: &'static str,
    source: String,
    asked: &'static str,
    target: String,
    way: Way,
}

/// A helper that is ready.
fn helper(lab: &Lab, role: &str, words: &str) -> Helper {
    Helper::start(&mut peers(lab, role, words))
}

fn peers(lab: &Lab, role: &str, words: &str) -> Command {
    let mut command = lab.command(role, PYTHON);
    command.arg(PEERS).args(words.split_whitespace());
    command
}

#[test]
fn hosts_reach_each_other() {
    let Some(lab) = Lab::start(1) else { return };
    let Stand { mut gateway, h10, h20, .. } = Stand::start(&lab, SERVICES);
    let mut steps = Steps::new(&lab);
    steps.step("ping of 0 to 9000 octets", &mut gateway, |_| reach::sizes(&lab, &h10));
    for (name, options) in [("UDP", ""), ("UDP port 53", "-U "), ("TCP", "-T "), ("echo", "-I ")] {
        steps.step(&format!("traceroute by {name}"), &mut gateway, |_| reach::traceroutes(&lab, &h20, options));
    }
    steps.step("tracepath", &mut gateway, |_| reach::tracepaths(&lab, &h20));
    steps.finish();
}

#[test]
fn hosts_talk() {
    let Some(lab) = Lab::start(1) else { return };
    let stand = Stand::start(&lab, SERVICES);
    let conversations = stand.conversations();
    let mut gateway = stand.gateway;
    let mut steps = Steps::new(&lab);
    steps.step("100 MB by HTTP/1.1", &mut gateway, |_| tcp::web(&lab, &conversations));
    steps.step("datagrams of 10 kB and more", &mut gateway, |_| datagrams::udp(&lab, &conversations));
    steps.step("protocol 253", &mut gateway, |_| datagrams::unknown(&lab, &conversations));
    steps.step("DNS by UDP and TCP", &mut gateway, |_| dns::dns(&lab, &conversations));
    steps.step("QUIC", &mut gateway, |_| quic::quic(&lab, &conversations));
    steps.step("iperf3 over far links of 1280 octets", &mut gateway, |_| tcp::narrow(&lab, &conversations));
    // The last one, because it changes the hosts.
    steps.step("TCP with and without timestamps and SACK", &mut gateway, |_| tcp::options(&lab, &conversations));
    steps.finish();
}

#[test]
fn odd_packets_pass_as_they_are() {
    let Some(lab) = Lab::start(1) else { return };
    let Stand { mut gateway, h10, .. } = Stand::start(&lab, "[filter]\ninbound = \"open\"\n");
    let mut steps = Steps::new(&lab);
    for (way, image) in WAYS.iter().zip(&h10) {
        steps.step(&format!("outbound by {}", way.isp), &mut gateway, |_| odd::outbound(&lab, way, image));
        steps.step(&format!("inbound by {}", way.isp), &mut gateway, |_| odd::inbound(&lab, way, image));
    }
    steps.finish();
}
