//! Somebody on the Internet walks through the /64 (RFC 6583).

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use crate::lab::capture::Capture;
use crate::lab::gateway::Gateway;
use crate::lab::steps::Steps;
use crate::lab::traffic::{Server, connect, ping};
use crate::lab::{Lab, SERVER};
use crate::stand::{Wire, config, image, images, outcome, put_on_link};

const SCANNED: u64 = 10_000;

#[test]
fn a_scan_harms_nobody_and_is_answered_within_bounds() {
    let Some(lab) = Lab::start(1) else { return };
    put_on_link(&lab);
    let _servers = ["srv", "h10"].map(|role| Server::start(&lab, role, true));
    let mut gateway = Gateway::start_with(&lab, &config("true"));
    let mut steps = Steps::new(&lab);
    steps.step("hosts are confirmed", &mut gateway, |gateway| {
        let looked_for = Capture::start(&lab, "h10", "eth0", "icmp6 and ip6[40] == 135");
        let (told, took) = scan(&lab);
        assert_eq!(told, 0, "addresses that nobody has were answered for");
        let asked: BTreeSet<Vec<u8>> = looked_for.finish().iter().map(|frame| frame[62..78].to_vec()).collect();
        // 40 at once, 20 a second, and a few of the hosts' own.
        let most = 40 + 20 * (took.as_secs() + 1) + 20;
        assert!((20..=most).contains(&(asked.len() as u64)), "{} hosts looked for in {took:?}", asked.len());
        assert!(outcome(gateway, "rate-limited") > SCANNED / 2, "{}", gateway.metrics());
    });
    assert!(gateway.stop().success(), "{}", gateway.log());
    gateway.configure(&config("\"static\""));
    gateway.restart();
    steps.step("static answers", &mut gateway, |gateway| {
        let (told, took) = scan(&lab);
        let most = 100 + 100 * (took.as_secs() + 1);
        assert!((50..=most).contains(&told), "{told} answers in {took:?}");
        assert!(outcome(gateway, "rate-limited") > SCANNED / 2, "{}", gateway.metrics());
    });
    steps.finish();
}

/// Asks for [`SCANNED`] addresses while a host is in use; how many were answered for, and how long
/// it took.
fn scan(lab: &Lab) -> (u64, Duration) {
    let wire = Wire::new(lab);
    let [host, _] = images();
    let frames: Vec<Vec<u8>> =
        (0..SCANNED).map(|n| wire.asks(image(&format!("fd12:3456:789a:10::bad:{n:x}"))).frame()).collect();
    let to_server = format!("{SERVER}/128");
    assert_eq!(ping(lab, "srv", &host.to_string(), 1, 10), 1);
    let start = Instant::now();
    let told = wire.advertised(Duration::from_secs(1), || {
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(ping(lab, "srv", &host.to_string(), 100, 40), 100, "pings are lost"));
            scope.spawn(|| {
                let connections = connect(lab, "srv", &to_server, &format!("{host}/128"), 30, 10_000);
                assert_eq!(connections.connected, 30, "{:?}", connections.failures);
            });
            for batch in frames.chunks(200) {
                wire.send(batch);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
    });
    let scanned = |told: &Ipv6Addr| *told != host && told.segments()[3] == 0x77ab && told.segments()[6] == 0xbad;
    (told.iter().map(|told| told.target).filter(scanned).count() as u64, start.elapsed())
}
