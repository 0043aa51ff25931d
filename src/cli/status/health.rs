//! What the ISPs are fit for, and why.

use crate::cli::amount::{age, count, share, time};
use crate::cli::table::{
    Side::{Left, Right},
    Table,
};
use crate::observe::isp_health::IspState;
use crate::observe::status::{HealthStatus, IspStatus, Status};

/// An ISP's state in a word or two.
pub fn state(isp: &IspStatus) -> String {
    let state = isp.health.as_ref().map(|health| health.state);
    match (state, isp.up) {
        // Who is the last one keeps its flows.
        (Some(IspState::Down), true) => "DOWN, kept".to_owned(),
        (Some(IspState::Down), false) | (None, false) => "DOWN".to_owned(),
        (Some(state), _) => state.label().to_owned(),
        (None, true) => IspState::Up.label().to_owned(),
    }
}

/// What is out of the ordinary, a line for each ISP.
pub fn notes(status: &Status) -> String {
    status.isps.iter().filter_map(note).map(|note| format!("{note}\n")).collect()
}

fn note(isp: &IspStatus) -> Option<String> {
    let (name, health) = (&isp.name, isp.health.as_ref()?);
    let avoided = format!("new flows avoid it; {} flows left", count(isp.flows));
    match (health.state, health.cause.as_str()) {
        (IspState::Drain, "operator") => Some(format!("{name} is drained: {avoided}")),
        (IspState::Drain, "failback") => {
            Some(format!("{name} is back and waits for `sixways undrain {name}`: {avoided}"))
        }
        (IspState::Drain, cause) => Some(format!("{name} is closed ({cause}): {avoided}")),
        (IspState::Down, _) if isp.up => Some(format!("{name} is kept although down: no other ISP is well")),
        (IspState::Down, "drill") => Some(format!("{name} is taken for dead: a drill")),
        _ => None,
    }
}

/// Both tables; nothing before anybody has looked.
pub fn health(status: &Status) -> String {
    let looked_at = || status.isps.iter().filter_map(|isp| Some((isp, isp.health.as_ref()?)));
    if looked_at().next().is_none() {
        return String::new();
    }
    let columns = ["HEALTH", "STATE", "FOR", "CAUSE", "WAITS FOR", "NEXT HOP", "LAST PACKET IN"];
    let mut table = Table::new(&columns.map(|title| (title, Left)));
    for (isp, health) in looked_at() {
        table.row([
            isp.name.clone(),
            state(isp),
            age(health.seconds),
            health.cause.clone(),
            waits_for(health),
            health.router.clone(),
            health.heard_seconds.map_or_else(|| "none yet".to_owned(), |ago| format!("{} ago", seconds(ago))),
        ]);
    }
    let targets = probes(status);
    if targets.is_empty() { table.to_string() } else { format!("{table}\n{targets}") }
}

fn probes(status: &Status) -> String {
    let all = || {
        let isps = status.isps.iter().filter_map(|isp| Some((&isp.name, &isp.health.as_ref()?.targets)));
        isps.flat_map(|(isp, targets)| targets.iter().map(move |target| (isp, target)))
    };
    if all().next().is_none() {
        return String::new();
    }
    let mut table = Table::new(&[
        ("PROBE", Left),
        ("BY", Left),
        ("STATE", Left),
        ("RTT", Right),
        ("LOSS", Right),
        ("SENT", Right),
        ("LOST", Right),
    ]);
    for (isp, target) in all() {
        table.row([
            target.target.clone(),
            isp.clone(),
            target.state.clone(),
            target.rtt_seconds.map_or_else(|| "-".to_owned(), seconds),
            share(target.loss_ratio),
            count(target.sent),
            count(target.lost),
        ]);
    }
    table.to_string()
}

fn waits_for(health: &HealthStatus) -> String {
    match (&health.waits_for, health.hold_down_left_seconds, health.hold_down_seconds) {
        (Some(what), Some(left), Some(whole)) => format!("{what}: {} of {}", seconds(left), seconds(whole)),
        (Some(what), ..) => what.clone(),
        (None, ..) => "-".to_owned(),
    }
}

fn seconds(seconds: f64) -> String {
    time((seconds * 1e9) as u64)
}
