//! [`Status`] on a terminal.

use super::{health, prefix, quota};
use crate::cli::amount::{age, count, scaled, share, time};
use crate::cli::table::{
    Side::{Left, Right},
    Table,
};
use crate::control::config::HOST_PORT;
use crate::observe::accounting::{Account, Book, Term};
use crate::observe::config::ConfigStatus;
use crate::observe::flows::Stage;
use crate::observe::status::{Counted, FlowStatus, InterfaceStatus, Status, Traffic};

/// The whole page.
pub fn render(status: &Status) -> String {
    let parts = [
        head(status),
        isps(status),
        prefix::prefixes(status),
        health::health(status),
        quota::quotas(status),
        nd_proxy(status),
        interfaces(status),
        flows(&status.flows),
        flow_memory(status),
        workers(status),
        latency(status),
        drops(status),
        accounting(&status.accounting),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn head(status: &Status) -> String {
    let Status { version, generation, .. } = status;
    let up = age(status.uptime_seconds);
    let state = if status.not_ready.is_empty() {
        "ready".to_owned()
    } else {
        format!("NOT READY: {}", status.not_ready.replace('\n', "; "))
    };
    format!("sixways {version}, up {up}, generation {generation}: {state}\n{}", configuration(&status.config))
}

fn configuration(config: &ConfigStatus) -> String {
    let ConfigStatus { file, sha256, .. } = config;
    let mut text =
        format!("{file} in force for {}, sha256 {}\n", age(config.age_seconds), &sha256[..12.min(sha256.len())]);
    if let Some(left) = config.confirm_within_seconds {
        text += &format!("WAITS for `sixways confirm`: the former configuration returns in {}\n", age(left));
    }
    if let (Some(reason), Some(seconds)) = (&config.failure, config.failure_age_seconds) {
        let first = reason.lines().find(|line| line.starts_with("error: ")).or_else(|| reason.lines().next());
        text += &format!("LAST RELOAD FAILED {} ago: {}\n", age(seconds), first.unwrap_or_default());
    }
    if let Some(seconds) = config.file_differs_seconds {
        text += &format!("THE FILE DIFFERS from what is in force, for {}; a restart would read it\n", age(seconds));
    }
    text
}

fn isps(status: &Status) -> String {
    let mut table = Table::new(&[
        ("ISP", Left),
        ("STATE", Left),
        ("NEXT HOP", Left),
        ("WEIGHT", Right),
        ("SHARE", Right),
        ("OF PACKETS", Right),
        ("OUTBOUND", Right),
        ("", Right),
        ("INBOUND", Right),
        ("", Right),
        ("FLOWS", Right),
    ]);
    for isp in &status.isps {
        table.row([
            isp.name.clone(),
            health::state(isp),
            isp.next_hop.map_or_else(|| "none yet".to_owned(), |address| address.to_string()),
            isp.weight.to_string(),
            share(isp.share_by_table),
            isp.share_of_packets.map_or_else(|| "-".to_owned(), share),
            count(isp.outbound.total),
            packets_per_second(isp.outbound),
            count(isp.inbound.total),
            packets_per_second(isp.inbound),
            count(isp.flows),
        ]);
    }
    format!("{table}{}", health::notes(status))
}

/// Nothing where no ISP asks for it.
fn nd_proxy(status: &Status) -> String {
    if status.nd_proxy.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&[
        ("ND PROXY", Left),
        ("ANSWERED", Right),
        ("", Right),
        ("NO HOST", Right),
        ("REPEATED", Right),
        ("RATE-LIMITED", Right),
        ("NOT PROXIED", Right),
        ("INVALID", Right),
    ]);
    for isp in &status.nd_proxy {
        let others = [isp.no_host, isp.repeated, isp.rate_limited, isp.not_proxied, isp.invalid];
        let answered = [isp.isp.clone(), count(isp.answered.total), scaled(isp.answered.per_second, "/s")];
        table.row(answered.into_iter().chain(others.map(|counted| count(counted.total))));
    }
    table.to_string()
}

fn interfaces(status: &Status) -> String {
    let mut table = Table::new(&[
        ("INTERFACE", Left),
        ("ROLE", Left),
        ("CARRIER", Left),
        ("MODE", Left),
        ("DRIVER", Left),
        ("QUEUES", Right),
        ("RECEIVED", Right),
        ("", Right),
        ("SENT", Right),
        ("", Right),
    ]);
    for interface in &status.interfaces {
        let [received, received_bits] = rates(&interface.received);
        let [sent, sent_bits] = rates(&interface.sent);
        table.row([
            interface.name.clone(),
            role(interface),
            up_or_down(interface.up),
            or_dash(&interface.mode),
            or_dash(&interface.driver),
            interface.queues.to_string(),
            received,
            received_bits,
            sent,
            sent_bits,
        ]);
    }
    table.to_string()
}

/// States across, protocols down.
fn flows(flows: &FlowStatus) -> String {
    if flows.capacity == 0 {
        return "FLOWS  none are remembered: [flows] capacity is 0\n".to_owned();
    }
    let stages = [Stage::Established, Stage::Unanswered, Stage::Closing];
    let mut table = Table::new(&[("FLOWS", Left), ("ESTABLISHED", Right), ("UNANSWERED", Right), ("CLOSING", Right)]);
    let records = |protocol: Option<&str>, stage: Stage| -> u64 {
        let of = flows.records.iter().filter(|records| records.state == stage.label());
        of.filter(|of| protocol.is_none_or(|protocol| of.protocol == protocol)).map(|of| of.records).sum()
    };
    for protocol in ["tcp", "udp", "icmpv6", "other"] {
        let cell = |stage| match (protocol, stage) {
            (protocol, Stage::Closing) if protocol != "tcp" => String::new(),
            _ => count(records(Some(protocol), stage)),
        };
        table.row(std::iter::once(protocol.to_owned()).chain(stages.map(cell)));
    }
    let room = format!(
        "{} flows and {} companions take {} of the places; room for {} flows in {}.\n",
        count(stages.iter().map(|stage| records(None, *stage)).sum()),
        count(records(None, Stage::Companion)),
        share(flows.taken_ratio),
        count(flows.capacity),
        scaled(flows.memory_bytes as f64, "B"),
    );
    format!("{table}{room}")
}

fn flow_memory(status: &Status) -> String {
    let (flows, fragments) = (&status.flows, &status.fragments);
    let mut table = Table::new(&[("FLOW MEMORY", Left), ("TOTAL", Right), ("", Right)]);
    let mut row = |what: &str, counted: Counted| {
        table.row([what.to_owned(), count(counted.total), scaled(counted.per_second, "/s")]);
    };
    row("records made", flows.inserts);
    for evictions in &flows.evictions {
        row(&format!("gave way: {}", evictions.kind), evictions.records);
    }
    row("refused: no place", flows.refusals);
    row("moved to another ISP", flows.moves);
    row("came in by another ISP", flows.repins);
    row("fragments: datagrams", fragments.inserts);
    row("fragments: ISP known", fragments.hits);
    row("fragments: gave way", fragments.evictions);
    table.to_string()
}

fn workers(status: &Status) -> String {
    let mut table = Table::new(&[
        ("WORKER", Left),
        ("TURNED", Right),
        ("BUSY TURNS", Right),
        ("FRAMES", Right),
        ("FREE", Right),
        ("FILL", Right),
        ("TRANSMIT", Right),
        ("IN HAND", Right),
        ("LOST", Right),
    ]);
    for (number, worker) in status.workers.iter().enumerate() {
        let frames = worker.frames;
        table.row([
            number.to_string(),
            format!("{} ago", time((worker.heartbeat_age_seconds * 1e9) as u64)),
            share(worker.busy_ratio),
            count(frames.total),
            count(frames.free),
            count(frames.fill),
            count(frames.transmit),
            count(frames.in_hand),
            frames.lost.to_string(),
        ]);
    }
    let cap = status.workers_capped_by.as_ref().map_or_else(String::new, |interface| {
        format!("No more workers than {interface} has queues, the fewest of all interfaces.\n")
    });
    format!("{table}{cap}")
}

fn latency(status: &Status) -> String {
    let mut table = Table::new(&[
        ("LATENCY", Left),
        ("TIMED", Right),
        ("P50", Right),
        ("P99", Right),
        ("P99.9", Right),
        ("MAX", Right),
    ]);
    for latency in &status.latency {
        let [p50, p99, p999, max] = [latency.p50_ns, latency.p99_ns, latency.p999_ns, latency.max_ns]
            .map(|nanos| if latency.timed == 0 { "-".to_owned() } else { time(nanos) });
        table.row([latency.direction.clone(), count(latency.timed), p50, p99, p999, max]);
    }
    let note = match status.timed_one_in {
        0 => "Nothing is timed: [dataplane] stamp_every is 0.\n".to_owned(),
        1 => String::new(),
        every => format!("One packet in {every} is timed.\n"),
    };
    format!("{table}{note}")
}

fn drops(status: &Status) -> String {
    if status.drops.is_empty() {
        return "DROPS  none\n".to_owned();
    }
    let mut table =
        Table::new(&[("DROPS", Left), ("REASON", Left), ("PACKETS", Right), ("", Right), ("MEANING", Left)]);
    for drop in &status.drops {
        table.row([
            drop.interface.clone(),
            drop.reason.clone(),
            count(drop.packets.total),
            packets_per_second(drop.packets),
            drop.meaning.clone(),
        ]);
    }
    table.to_string()
}

/// The books, with a verdict on them in the heading.
pub fn accounting(accounts: &[Account]) -> String {
    let mut table = Table::new(&[("ACCOUNTING", Left), ("", Left), (&verdict(accounts), Left)]);
    // A worker's buffer has its row above.
    let mut former = "";
    for account in accounts.iter().filter(|account| account.book != Book::Umem) {
        let of = if account.of == former { "" } else { &account.of };
        former = &account.of;
        table.row([of.to_owned(), book(account.book).to_owned(), equation(account)]);
    }
    table.to_string()
}

fn verdict(accounts: &[Account]) -> String {
    let too_many = accounts.iter().any(|account| account.difference < 0);
    let lost = accounts.iter().any(|account| account.book == Book::Umem && account.difference != 0);
    let on_their_way: i64 = accounts.iter().map(|account| account.difference).sum();
    if too_many || lost {
        "does not add up: please report this page".to_owned()
    } else if on_their_way > 0 {
        format!("{} frames on their way, all others explained", count(on_their_way.unsigned_abs()))
    } else {
        "exact: every frame explained".to_owned()
    }
}

fn equation(account: &Account) -> String {
    let left = side(&account.sources);
    let mut right = side(&account.sinks);
    match account.difference {
        0 => {}
        more @ 1.. => right += &format!(" + {} on their way", count(more.unsigned_abs())),
        less => right += &format!(" - {} TOO MANY", count(less.unsigned_abs())),
    }
    format!("{left} = {right}")
}

/// The terms that are not zero; the first one if all are.
fn side(terms: &[Term]) -> String {
    let shown = |term: &Term| format!("{} {}", count(term.count), term.what);
    let mut some: Vec<String> = terms.iter().filter(|term| term.count > 0).map(shown).collect();
    if some.is_empty() {
        some.extend(terms.first().map(shown));
    }
    some.join(" + ")
}

const fn book(book: Book) -> &'static str {
    match book {
        Book::Gate => "gate",
        Book::Socket => "socket",
        Book::Path => "path",
        Book::Umem => "umem",
    }
}

fn role(interface: &InterfaceStatus) -> String {
    match &interface.isp {
        Some(isp) => format!("ISP {isp}"),
        None if interface.name == HOST_PORT => "host".to_owned(),
        None => "LAN".to_owned(),
    }
}

fn up_or_down(up: bool) -> String {
    if up { "up" } else { "DOWN" }.to_owned()
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}

fn packets_per_second(counted: Counted) -> String {
    scaled(counted.per_second, "pps")
}

fn rates(traffic: &Traffic) -> [String; 2] {
    [packets_per_second(traffic.packets), scaled(traffic.bytes.per_second * 8.0, "bit/s")]
}
