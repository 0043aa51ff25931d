//! One case many times, for `scripts/reliability`: a line of JSON for each run.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use crate::cases::{self, Outcome};
use crate::lab::Lab;
use crate::lab::gateway::Gateway;
use crate::stand::Fault;
use crate::streams::Streams;
use crate::{SITE, config, life, services, settings, stand};

/// Rates between which the highest one without loss is looked for, and how close.
const LOWEST: u32 = 1000;
const HIGHEST: u32 = 128_000;
const CLOSE: u32 = 1000;
/// How long each of them is tried.
const TRIAL: Duration = Duration::from_secs(2);
/// How long the one that was found is, which it must hold with both ISPs and with one: longer than a run of most cases.
const CONFIRMATION: Duration = Duration::from_secs(30);

/// The case in which the router is asked sooner, and what makes it so.
const TUNED: &str = "next-hop-tuned";
const TUNING: &str = "weight = 3\nhealth = { silence = \"50ms\", patience = \"50ms\" }";

/// The case in which ISP A's prefix stands in a file.
const PREFIX: &str = "prefix";

/// What runs once: `(lab, gateway, load)`, the gateway being fresh.
type Case = fn(&Lab, &mut Gateway<'_>, u32) -> Outcome;

/// The cases by their names in `scripts/reliability`.
const CASES: [(&str, Case); 10] = [
    ("carrier", |lab, gateway, load| cases::outage(lab, gateway, Fault::Carrier, false, load)),
    ("next-hop", |lab, gateway, load| cases::outage(lab, gateway, Fault::NextHop, false, load)),
    (TUNED, |lab, gateway, load| cases::outage(lab, gateway, Fault::NextHop, false, load)),
    ("beyond", |lab, gateway, load| cases::outage(lab, gateway, Fault::Beyond, false, load)),
    ("site", |lab, gateway, load| cases::outage(lab, gateway, Fault::NextHop, true, load)),
    ("loss", |lab, gateway, load| cases::loss(lab, gateway, Duration::from_secs(600), load)),
    ("flapping", |lab, gateway, load| life::flapping(lab, gateway, Duration::from_secs(60), load)),
    ("kill", life::kill),
    ("reload", |lab, gateway, load| settings::reloads(lab, gateway, &(config() + SITE), 1000, load)),
    (PREFIX, |lab, _, load| settings::prefix_change(lab, load)),
];

/// `SIXWAYS_CASE`, `SIXWAYS_RUNS` times; each run is appended to the file `SIXWAYS_RESULTS`.
#[test]
#[ignore = "scripts/reliability runs it"]
fn measure() {
    let wanted = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let name = wanted("SIXWAYS_CASE");
    let (_, case) = CASES.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no case `{name}`"));
    let runs: u32 = wanted("SIXWAYS_RUNS").parse().expect("a number of runs");
    let mut results = File::options().create(true).append(true).open(wanted("SIXWAYS_RESULTS")).expect("a file");
    let Some(lab) = Lab::start(2) else { return };
    stand::set_up(&lab);
    let _services = services::Stand::set_up(&lab);
    let config = match &*name {
        TUNED => config().replace("weight = 3", TUNING),
        PREFIX => settings::with_prefix_file(&lab, &config()),
        _ => config(),
    };
    let mut gateway = Gateway::start_with(&lab, &(config + SITE));
    restart(&mut gateway);
    let free = loss_free_rate(&lab, &gateway);
    let load = free * 4 / 5;
    println!("{name}: load {load} packets a second");
    for run in 1..=runs {
        let outcome = case(&lab, &mut gateway, load);
        let line = serde_json::to_string(&outcome).expect("numbers and words");
        println!("{run}: {line}");
        writeln!(results, "{line}").expect("the results can be written");
        // An outage that follows another one lasts longer.
        restart(&mut gateway);
    }
}

/// A fresh gateway, as its unit says.
fn restart(gateway: &mut Gateway<'_>) {
    gateway.stop();
    gateway.restart_as_service();
    gateway.wait_until_ready();
}

/// The highest rate at which every packet and every echo arrives, and none late: queues hide what is too much.
/// A sender that does not keep up shows no rate that it was to send at. What is lost because one ISP cannot carry what two can
/// is no matter of how soon the other one takes over.
fn loss_free_rate(lab: &Lab, gateway: &Gateway<'_>) -> u32 {
    let is_free = |rate, time| {
        let streams = Streams::start(lab, rate);
        let begin = streams.now();
        std::thread::sleep(time);
        let end = streams.now();
        let record = streams.finish();
        let toll = record.toll_of_all(begin);
        let wanted = f64::from(rate) * (end - begin) as f64 / 1e6;
        (toll.lost, toll.late) == (0, 0) && record.sent_within(begin..end) as f64 > 0.98 * wanted
    };
    let (mut free, mut lossy) = (LOWEST, HIGHEST);
    assert!(is_free(free, TRIAL), "even {free} packets a second are too many");
    while lossy - free > CLOSE {
        let middle = free.midpoint(lossy);
        if is_free(middle, TRIAL) {
            free = middle;
        } else {
            lossy = middle;
        }
    }
    let lasting = |mut free| {
        while !is_free(free, CONFIRMATION) {
            free = free * 19 / 20;
            assert!(free >= LOWEST, "no rate is without loss for long");
        }
        free
    };
    let with_both = lasting(free);
    Fault::Carrier.strike(lab);
    stand::await_isp_a(gateway, false);
    let with_one = lasting(with_both);
    Fault::Carrier.mend(lab);
    stand::await_isp_a(gateway, true);
    println!("packets a second without loss: {with_both} by two ISPs, {with_one} by one");
    with_one
}
