//! A replay's [`Report`] on a terminal.

use crate::cli::amount::count;
use crate::cli::status::accounting;
use crate::cli::table::{
    Side::{Left, Right},
    Table,
};
use crate::observe::accounting::{Account, Book};
use crate::replay::Report;

/// The whole page.
pub fn render(report: &Report) -> String {
    // A replay has no sockets: what the gate redirects is read.
    let accounts: Vec<Account> =
        report.accounting.iter().filter(|account| account.book != Book::Socket).cloned().collect();
    let mut page = [inputs(report), edges(report), isps(report), drops(report), accounting(&accounts)].join("\n");
    if !report.adds_up {
        page.push_str("\nNot every packet is accounted for: please report this, with the captures.\n");
    }
    page
}

fn inputs(report: &Report) -> String {
    let mut table = Table::new(&[("CAPTURE", Left), ("OF", Left), ("PACKETS", Right), ("GATEWAY'S MAC", Left)]);
    for input in &report.inputs {
        let mac = if input.mac_of_capture {
            input.mac.clone()
        } else {
            format!("{}, made up: nothing in the capture is sent to a gateway", input.mac)
        };
        table.row([input.file.clone(), input.name.clone(), count(input.packets), mac]);
    }
    let packets = report.inputs.iter().map(|input| input.packets).sum();
    format!("{table}{} packets in {:.6} s\n", count(packets), report.seconds)
}

fn edges(report: &Report) -> String {
    let mut table = Table::new(&[
        ("EDGE", Left),
        ("SEEN", Right),
        ("TO THE KERNEL", Right),
        ("DROPPED BY THE GATE", Right),
        ("READ", Right),
        ("SENT ON", Right),
        ("DROPPED", Right),
        ("ERRORS MADE", Right),
        ("LEFT BY IT", Right),
        ("CAPTURE", Left),
    ]);
    for edge in &report.edges {
        let numbers = [
            edge.seen,
            edge.passed,
            edge.gate_dropped,
            edge.read,
            edge.sent - edge.originated,
            edge.dropped,
            edge.originated,
            edge.left,
        ];
        let file = edge.file.clone().unwrap_or_default();
        table.row(std::iter::once(edge.name.clone()).chain(numbers.map(count)).chain([file]));
    }
    table.to_string()
}

fn isps(report: &Report) -> String {
    let mut table = Table::new(&[("ISP", Left), ("OUTBOUND", Right), ("INBOUND", Right), ("FLOWS AT THE END", Right)]);
    for isp in &report.isps {
        table.row([isp.name.clone(), count(isp.outbound), count(isp.inbound), count(isp.flows)]);
    }
    table.to_string()
}

fn drops(report: &Report) -> String {
    if report.drops.is_empty() {
        return "DROPS  none\n".to_owned();
    }
    let mut table = Table::new(&[("DROPS", Left), ("REASON", Left), ("PACKETS", Right), ("MEANING", Left)]);
    for drop in &report.drops {
        table.row([drop.name.clone(), drop.reason.clone(), count(drop.packets), drop.meaning.clone()]);
    }
    table.to_string()
}
