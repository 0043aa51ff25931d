//! What a restart of the gateway does to live flows: nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::process::Command;
use std::time::Duration;

use crate::lab::clients::{Live, survey};
use crate::lab::gateway::Gateway;
use crate::lab::images::inside;
use crate::lab::process::{Daemon, eventually, run};
use crate::lab::steps::Steps;
use crate::lab::traffic::{Bursts, Server, ping};
use crate::lab::watch::{Outside, Watch, isps_of};
use crate::lab::{H10, H20, H20_PREFIX, ISP_A, ISP_B, Lab, SERVER, SERVER_PREFIX};
use crate::{EVEN, config};

const OCTETS: u32 = 14_000_000;
/// Octets a second: a download lasts seven seconds.
const RATE: u32 = 2_000_000;
const TCP: u32 = 120;
const UDP: u32 = 60;

#[test]
fn downloads_go_on_after_kill_9() {
    let Some(lab) = Lab::start(1) else { return };
    // The default filter, and a server that paces itself: once a download runs, its client sends
    // nothing but acknowledgements of what arrives. Only memory can let the rest in.
    let mut gateway = Gateway::start_with(&lab, &config(EVEN, ""));
    let _server = Server::start(&lab, "srv", true);
    eventually("the first echo", Duration::from_secs(5), || ping(&lab, "h20", SERVER, 1, 10) == 1);
    let seen = survey(&lab, "h20", H20, SERVER_PREFIX, 40);
    let mut steps = Steps::new(&lab);
    steps.step("a download by each ISP, over kill -9 and restart", &mut gateway, |gateway| {
        let mut downloads = [ISP_A, ISP_B].map(|isp| {
            let by_isp = seen.iter().find(|(_, seen)| inside(**seen, isp));
            Download::start(&lab, by_isp.unwrap_or_else(|| panic!("40 pairs and none by {isp}")).0, isp)
        });
        let watch = Watch::start(&lab, "tcp dst port 8080");
        std::thread::sleep(Duration::from_secs(1));
        let before = isps_of(&watch.finish());
        assert_eq!(before.values().copied().collect::<BTreeSet<_>>(), [ISP_A, ISP_B].into());
        gateway.kill();
        let got = downloads.each_ref().map(Download::octets);
        let watch = Watch::start(&lab, "tcp dst port 8080");
        std::thread::sleep(Duration::from_millis(500));
        let time = gateway.restart();
        println!("        killed with {got:?} octets there, ready again after {time:?}");
        for (download, got) in downloads.iter_mut().zip(got) {
            assert!(got < u64::from(OCTETS) / 2, "nothing was left to be loaded: {got}");
            download.finish(&lab);
        }
        assert_eq!(isps_of(&watch.finish()), before, "the same flows, by the same ISPs");
    });
    steps.finish();
}

/// A download by curl.
struct Download {
    curl: Daemon,
    file: std::path::PathBuf,
}

impl Download {
    fn start(lab: &Lab, server: &str, isp: &str) -> Self {
        let file = lab.dir.join(format!("download-{}", isp.replace(['/', ':'], "-")));
        let mut command = lab.command("h20", "curl");
        command.args(["-sSg", "--max-time", "40", "-o"]).arg(&file);
        command.arg(format!("http://[{server}]:8080/paced/{RATE}/{OCTETS}"));
        let download = Self { curl: Daemon::start(&mut command, &file.with_extension("log")), file };
        eventually("the download starts", Duration::from_secs(5), || download.octets() > 0);
        download
    }

    fn octets(&self) -> u64 {
        std::fs::metadata(&self.file).map_or(0, |file| file.len())
    }

    /// Waits for the end and compares with what the server sends to itself.
    #[track_caller]
    fn finish(&mut self, lab: &Lab) {
        eventually("the download ends", Duration::from_secs(20), || !self.curl.alive());
        assert_eq!(self.curl.output(), "", "curl has something to say");
        let whole = lab.dir.join("whole");
        lab.sh("srv", &format!("curl -sSg -o {} http://[::1]:8080/paced/1e12/{OCTETS}", whole.display()));
        assert_eq!(sha256(&self.file), sha256(&whole), "{}", self.file.display());
    }
}

fn sha256(file: &std::path::Path) -> String {
    let output = run(Command::new("sha256sum").arg(file), Duration::from_secs(10));
    output.split(' ').next().expect("a sum").to_owned()
}

#[test]
fn other_weights_and_another_order_move_no_live_flow() {
    let Some(lab) = Lab::start(1) else { return };
    let mut gateway = Gateway::start_with(&lab, &config([("fiber", 3), ("cable", 1)], ""));
    let mut server = Server::start(&lab, "srv", true);
    for role in ["h10", "h20"] {
        eventually("the first echo", Duration::from_secs(5), || ping(&lab, role, SERVER, 1, 10) == 1);
    }
    let mut live = Live::start(&lab, "h10", H10, SERVER_PREFIX, TCP, UDP);
    let mut before = BTreeMap::new();
    let mut steps = Steps::new(&lab);
    steps.step_alone("weights 3 : 1", || {
        let watch = Watch::start(&lab, "tcp or udp");
        live.go_on(Duration::from_secs(12));
        before = isps_of(&watch.finish());
        assert_eq!(before.len(), (TCP + UDP) as usize);
        let names: Vec<_> = live.look().into_iter().map(|flow| flow.name()).collect();
        assert_eq!(before.keys().copied().collect::<Vec<_>>(), sorted(names), "all flows, and no others");
        let by_a = before.values().filter(|isp| **isp == ISP_A).count();
        // By chance, six standard deviations are far within these bounds.
        assert!((90..=170).contains(&by_a), "{by_a} of {} flows by ISP A", before.len());
    });
    let mut fresh = BTreeMap::new();
    steps.step_alone("restarted with weights 1 : 3", || {
        restart(&lab, &mut gateway, &config([("fiber", 1), ("cable", 3)], ""), &mut live, &before);
        // New flows of the very same pairs, and of others, go by the new weights.
        fresh = by_pair(&lab);
        let elsewhere = before.iter().filter(|(flow, isp)| flow.0 == 6 && !inside(fresh[&flow.2], isp)).count();
        assert!(elsewhere > 30, "only {elsewhere} of {TCP} pairs prefer another ISP now");
        let [new, by_a] = new_pairs(&lab, &mut server, &before);
        let share = by_a as f64 / new as f64;
        assert!((share - 0.25).abs() < 0.03, "ISP A has {share} of the new pairs");
    });
    steps.step_alone("restarted with the ISPs in another order", || {
        restart(&lab, &mut gateway, &config([("cable", 3), ("fiber", 1)], ""), &mut live, &before);
        assert_eq!(by_pair(&lab), fresh, "nor does the order matter to new flows");
    });
    drop(live);
    steps.step("and nothing is lost in the books", &mut gateway, |_| {});
    steps.finish();
}

fn sorted(mut flows: Vec<Outside>) -> Vec<Outside> {
    flows.sort_unstable();
    flows
}

/// Stops the gateway, starts it with `text`, and judges what the ISPs see from then on until all
/// flows have gone on.
#[track_caller]
fn restart(lab: &Lab, gateway: &mut Gateway<'_>, text: &str, live: &mut Live, before: &BTreeMap<Outside, &str>) {
    assert!(gateway.stop().success(), "{}", gateway.log());
    gateway.configure(text);
    let watch = Watch::start(lab, "tcp or udp");
    let time = gateway.restart();
    println!("        ready again after {time:?}");
    live.look();
    live.go_on(Duration::from_secs(12));
    assert_eq!(isps_of(&watch.finish()), *before, "a live flow moved, or a flow is missing");
}

/// By which address each pair of the live flows gets its new flows.
fn by_pair(lab: &Lab) -> BTreeMap<Ipv6Addr, Ipv6Addr> {
    let seen = survey(lab, "h10", H10, SERVER_PREFIX, TCP);
    seen.into_iter().map(|(target, seen)| (target.parse().expect("an address"), seen)).collect()
}

/// Pairs that were not there before, and how many of them go by ISP A.
fn new_pairs(lab: &Lab, server: &mut Server, live: &BTreeMap<Outside, &str>) -> [u64; 2] {
    server.reset();
    let bursts = Bursts {
        role: "h20",
        sources: H20_PREFIX,
        source_count: 64,
        destinations: SERVER_PREFIX,
        destination_count: 96,
        repeat: 1,
        rate: 5_000,
        wait_ms: 2_000,
    };
    let burst = bursts.run(lab);
    assert_eq!((burst.answered, burst.wrong), (burst.pairs, 0), "{burst:?}");
    // The server has seen the live flows' datagrams as well.
    let live_by_a = live.iter().filter(|(flow, isp)| flow.0 == 17 && **isp == ISP_A).count() as u64;
    [burst.pairs, server.report()[ISP_A].pairs - live_by_a]
}
