//! TCP with the options that hosts use, a large file, and narrow links far away.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use etherparse::{SlicedPacket, TcpOptionElement, TransportSlice};

use crate::lab::capture::Capture;
use crate::lab::images::inside;
use crate::lab::process::{Daemon, eventually, run};
use crate::lab::traffic::{Server, connect};
use crate::lab::{H20, Lab};
use crate::{Conversation, WAYS, helper};

const LIMIT: Duration = Duration::from_secs(60);
/// Octets of the file.
const LARGE: u64 = 100_000_000;
/// The smallest MTU that a link may have (RFC 8200 §5).
const NARROW: u32 = 1280;

/// Every combination of timestamps and SACK, on a path that loses one packet in thirty.
pub fn options(lab: &Lab, conversations: &[Conversation]) {
    let _servers = ["srv", "h20"].map(|role| Server::start(lab, role, true));
    let lossy = "add table ip6 loss
        add chain ip6 loss in { type filter hook prerouting priority -300; }
        add rule ip6 loss in tcp flags & (syn | fin | rst) == 0 numgen random mod 30 0 drop";
    for role in ["srv", "h20"] {
        run(lab.command(role, "nft").arg(lossy), LIMIT);
    }
    for (timestamps, sack) in [(true, true), (true, false), (false, true), (false, false)] {
        let settings =
            format!("sysctl -qw net.ipv4.tcp_timestamps={} net.ipv4.tcp_sack={}", u8::from(timestamps), u8::from(sack));
        for role in ["srv", "h20"] {
            lab.sh(role, &settings);
        }
        let captures = WAYS.map(|way| (way, Capture::start(lab, way.role, "cust", "tcp")));
        for Conversation { asker, source, target, .. } in conversations {
            let (from, to) = (format!("{source}/128"), format!("{target}/128"));
            let done = connect(lab, asker, &from, &to, 1, 250_000);
            assert_eq!(done.connected, 1, "{settings}, {asker} to {target}: {:?}", done.failures);
        }
        for (way, capture) in captures {
            let frames = capture.finish_judged(|source| inside(source, way.isp));
            let seen = Seen::in_frames(&frames);
            let both = [false, true].map(|answer| (answer, timestamps, sack));
            assert_eq!(seen.opening, both.into(), "SYN and SYN/ACK by {}, {settings}", way.isp);
            assert_eq!(seen.blocks, sack, "selective acknowledgements by {}, {settings}", way.isp);
        }
    }
}

/// What a capture shows of the options: of SYNs whether they are answers, have timestamps and permit
/// SACK, and whether any acknowledgement is selective.
struct Seen {
    opening: BTreeSet<(bool, bool, bool)>,
    blocks: bool,
}

impl Seen {
    fn in_frames(frames: &[Vec<u8>]) -> Self {
        let mut seen = Self { opening: BTreeSet::new(), blocks: false };
        for frame in frames {
            let packet = SlicedPacket::from_ethernet(frame).expect("judged already");
            let Some(TransportSlice::Tcp(tcp)) = packet.transport else { continue };
            let options: Vec<_> = tcp.options_iterator().map(|option| option.expect("whole options")).collect();
            let has = |wanted: fn(&TcpOptionElement) -> bool| options.iter().any(wanted);
            if tcp.syn() {
                let timestamps = has(|option| matches!(option, TcpOptionElement::Timestamp(..)));
                let sack = has(|option| matches!(option, TcpOptionElement::SelectiveAcknowledgementPermitted));
                seen.opening.insert((tcp.ack(), timestamps, sack));
            }
            seen.blocks |= has(|option| matches!(option, TcpOptionElement::SelectiveAcknowledgement(..)));
        }
        seen
    }
}

/// A file of random octets comes out of curl as it lies on the server's disk.
pub fn web(lab: &Lab, conversations: &[Conversation]) {
    let folder = lab.dir.join("files");
    std::fs::create_dir(&folder).expect("a folder");
    let file = folder.join("large");
    let make = format!("head -c {LARGE} /dev/urandom > {}", file.display());
    run(Command::new("sh").args(["-ec", &make]), LIMIT);
    let sum = run(Command::new("sha256sum").arg(&file), LIMIT);
    let sum = sum.split(' ').next().expect("a checksum");
    let _servers = ["srv", "h20"].map(|role| helper(lab, role, &format!("files {} 8000", folder.display())));
    // Out by one ISP, in by the other.
    for Conversation { asker, source, target, .. } in [&conversations[0], &conversations[3]] {
        let fetch = format!("curl -sSfg --interface {source} http://[{target}]:8000/large | sha256sum");
        let got = run(lab.command(asker, "sh").args(["-c", &fetch]), LIMIT);
        assert_eq!(got.split(' ').next(), Some(sum), "{asker} from {target}");
    }
    std::fs::remove_file(file).expect("the file is there");
}

/// A narrow link beyond the ISP's router, and one behind the inner router: each sender learns it
/// from an error that the gateway passes on, or from the ISP beside it.
pub fn narrow(lab: &Lab, conversations: &[Conversation]) {
    for way in WAYS {
        lab.sh(way.role, &format!("ip -6 route add {}/128 via fe80::53 dev core mtu {NARROW}", way.server));
    }
    lab.sh("inn", &format!("ip -6 route add {H20}/128 dev far mtu {NARROW}"));
    let _servers = ["srv", "h20"].map(|role| {
        let log = lab.dir.join(format!("{role}-iperf3.log"));
        let daemon = Daemon::start(lab.command(role, "iperf3").args(["-6", "-s", "--forceflush"]), &log);
        eventually("iperf3 listens", Duration::from_secs(10), || daemon.output().contains("listening"));
        daemon
    });
    for Conversation { asker, source, target, way, .. } in conversations {
        for reverse in ["", "-R"] {
            for role in ["srv", "h20"] {
                lab.sh(role, "ip -6 route flush cache");
            }
            let said = lab.sh(asker, &format!("iperf3 -6 -J -c {target} -B {source} -n 10M {reverse}"));
            let said: serde_json::Value = serde_json::from_str(&said).expect("iperf3 reports");
            let received = said["end"]["sum_received"]["bytes"].as_u64();
            // It stops when all is sent, and not all of that is read then.
            assert!(received >= Some(5_000_000), "{asker} to {target} {reverse}: {received:?}");
            // Who sent the data has learnt; by the ISP's router, or by the inner one.
            let inward = (*asker == "srv") == reverse.is_empty();
            let (sender, other) = if inward { ("srv", inner_image(conversations, *way)) } else { ("h20", way.server) };
            let route = lab.sh(sender, &format!("ip -6 route get {other}"));
            assert!(route.contains(&format!("mtu {NARROW}")), "{asker} to {target} {reverse}: {route}");
        }
    }
}

/// Where the world finds `h20` by this way.
fn inner_image(conversations: &[Conversation], way: crate::Way) -> &str {
    let inbound = conversations.iter().find(|talk| talk.asked == "h20" && talk.way.isp == way.isp);
    &inbound.expect("both directions by both ISPs").target
}
