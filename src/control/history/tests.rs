use std::time::Duration;

use time::format_description::well_known::Rfc3339;

use super::*;
use crate::control::events::{Ending, Entry, Event, IspState, IspTraffic, VERSION};

/// 2026-11-30T23:50:00Z
const START: i64 = 1_796_082_600;

fn at(seconds: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(START).unwrap() + Duration::from_secs(seconds)
}

fn entry(seconds: u64, event: Event) -> Entry {
    Entry { version: VERSION, at: at(seconds), monotonic: (seconds + 7) * 1_000_000_000, event }
}

fn started(seconds: u64, last_alive: Option<u64>) -> Entry {
    let isps = vec!["cable".to_owned(), "fiber".to_owned()];
    let (program, boot) = (String::new(), String::new());
    entry(seconds, Event::GatewayStarted { program, boot, isps, last_alive: last_alive.map(at) })
}

fn state(seconds: u64, isp: &str, from: IspState, to: IspState, cause: &str) -> Entry {
    let (isp, cause) = (isp.to_owned(), cause.to_owned());
    entry(seconds, Event::IspState { isp, from, to, cause, after_seconds: 1.0 })
}

fn stopped(seconds: u64) -> Entry {
    entry(seconds, Event::GatewayStopped { outcome: Ending::Blocking, reason: None })
}

fn history(entries: Vec<Entry>, last_alive: Option<u64>, running: bool, now: u64, selection: &Selection) -> History {
    let recorded = Recorded { entries, unreadable: 0, last_alive: last_alive.map(at) };
    History::of(&recorded, running, at(now), selection)
}

fn outage(isp: &str, began: u64, seconds: f64, cause: &str, end: End) -> Outage {
    Outage { isp: isp.to_owned(), began: at(began), seconds, cause: cause.to_owned(), failover_seconds: None, end }
}

use IspState::{Degraded, Down, Unknown, Up};

#[test]
fn nothing_recorded_is_nothing() {
    let history = history(Vec::new(), None, false, 0, &Selection::default());
    assert_eq!((history.recorded_since, history.outages.len(), history.months.len()), (None, 0, 0));
}

#[test]
fn a_span_that_no_calendar_has_ends_where_the_log_begins() {
    let state = IspState::Down;
    let odd = Event::IspState {
        isp: "fiber".to_owned(),
        from: state,
        to: Up,
        cause: "recovered".to_owned(),
        after_seconds: 1e18,
    };
    let history = history(vec![entry(5, odd)], None, true, 6, &Selection::default());
    assert_eq!(history.outages[0].began, at(5));
}

#[test]
fn outages_have_begin_duration_and_cause() {
    let entries = vec![
        started(0, None),
        state(1, "fiber", Unknown, Up, "recovered"),
        state(1, "cable", Unknown, Up, "recovered"),
        state(10, "fiber", Up, Down, "carrier"),
        state(15, "fiber", Down, Up, "recovered"),
        state(20, "cable", Up, Down, "probes"),
        stopped(30),
        started(40, Some(30)),
        state(42, "cable", Unknown, Down, "probes"),
    ];
    let expected = vec![
        outage("fiber", 10, 5.0, "carrier", End::Recovered),
        outage("cable", 20, 10.0, "probes", End::GatewayStopped),
        outage("cable", 42, 8.0, "probes", End::GoesOn),
    ];
    let all = history(entries.clone(), Some(50), true, 50, &Selection::default());
    assert_eq!(all.outages, expected);
    assert_eq!(all.recorded_since, Some(at(0)));
    let away = |approximate, ended, seconds, why: &str| Away {
        began: at(30),
        approximate,
        ended,
        seconds,
        why: why.to_owned(),
    };
    assert_eq!(all.away, [away(false, Some(at(40)), 10.0, "stopped")]);
    let cable = Selection { isp: Some("cable".to_owned()), since: Some(at(35)) };
    let of_cable = history(entries, Some(50), true, 50, &cable);
    assert_eq!(of_cable.outages, expected[2..]);
    assert_eq!(of_cable.isps(), ["cable"]);
}

#[test]
fn a_failover_is_of_the_outage_that_goes_on() {
    let failover = |seconds, took| {
        entry(seconds, Event::Failover { isp: "fiber".to_owned(), cause: "probes".to_owned(), seconds: took })
    };
    let entries = vec![
        started(0, None),
        state(1, "fiber", Unknown, Up, "recovered"),
        state(10, "fiber", Up, Down, "probes"),
        failover(11, 2.5),
        state(15, "fiber", Down, Up, "recovered"),
        state(20, "fiber", Up, Down, "probes"),
        state(25, "fiber", Down, Up, "recovered"),
        failover(26, 1.5),
    ];
    let outages = history(entries, None, true, 50, &Selection::default()).outages;
    let failovers: Vec<_> = outages.iter().map(|outage| outage.failover_seconds).collect();
    assert_eq!(failovers, [Some(2.5), None]);
}

#[test]
fn a_gateway_that_was_killed_is_away_from_its_last_sign_of_life() {
    let mut entries = vec![started(0, None), state(1, "fiber", Unknown, Up, "recovered")];
    let dead = history(entries.clone(), Some(25), false, 100, &Selection::default());
    assert_eq!((dead.away[0].began, dead.away[0].seconds, dead.away[0].ended), (at(25), 75.0, None));
    assert!(dead.away[0].approximate);
    entries.push(started(60, Some(25)));
    let back = history(entries.clone(), Some(60), true, 100, &Selection::default());
    assert_eq!((back.away[0].began, back.away[0].seconds, back.away[0].ended), (at(25), 35.0, Some(at(60))));
    assert_eq!(back.away[0].why, "killed, or without power");
    entries.insert(2, entry(20, Event::WorkerStalled { worker: "dp-0".to_owned(), for_seconds: 2.0 }));
    let stalled = history(entries, Some(60), true, 100, &Selection::default());
    assert_eq!(stalled.away[0].why, "dp-0 made no turn for 2.0 s");
}

#[test]
fn months_end_at_midnight_utc_and_the_gateways_absence_is_no_outage() {
    let entries = vec![
        started(0, None),
        state(100, "fiber", Unknown, Up, "recovered"),
        state(500, "fiber", Up, Down, "next-hop"),
        state(700, "fiber", Down, Degraded, "probes"),
        stopped(900),
        started(1900, None),
        state(2000, "fiber", Unknown, Up, "recovered"),
    ];
    let history = history(entries, None, true, 2600, &Selection::default());
    let fiber: Vec<_> = history.months.iter().filter(|month| month.isp == "fiber").collect();
    let [november, december] = fiber[..] else { panic!("{fiber:?}") };
    // Midnight is at 600.
    assert_eq!((november.month.as_str(), december.month.as_str()), ("2026-11", "2026-12"));
    assert_eq!((november.available_seconds, november.down_seconds, november.unknown_seconds), (400.0, 100.0, 100.0));
    assert_eq!(november.availability_ratio, Some(0.8));
    assert_eq!((december.available_seconds, december.down_seconds, december.degraded_seconds), (800.0, 100.0, 200.0));
    assert_eq!((december.unknown_seconds, december.gateway_away_seconds), (100.0, 1000.0));
    assert_eq!((november.outages, december.outages), (1, 0));
}

#[test]
fn a_clock_that_is_set_makes_no_months() {
    let mut entries = vec![
        started(0, None),
        state(5, "fiber", Unknown, Up, "recovered"),
        state(10, "fiber", Up, Down, "carrier"),
        state(20, "fiber", Down, Up, "recovered"),
    ];
    // The first three as before NTP was heard.
    for entry in &mut entries[..3] {
        entry.at -= Duration::from_secs(START as u64);
    }
    let history = history(entries, None, true, 700, &Selection::default());
    let fiber = history.months.iter().filter(|month| month.isp == "fiber" && month.month != "1970-01");
    let months: Vec<_> = fiber.map(|month| (&*month.month, month.outages, month.available_seconds)).collect();
    assert_eq!(months, [("2026-11", 1, 580.0), ("2026-12", 0, 100.0)]);
    assert_eq!(history.months.iter().map(|month| month.down_seconds).sum::<f64>(), 10.0);
}

#[test]
fn the_calendar_ends_with_the_year_9999() {
    let last = OffsetDateTime::parse("9999-12-31T23:59:59Z", &Rfc3339).unwrap();
    let day = Duration::from_secs(86_400);
    let mut entries = vec![started(0, None), state(1, "fiber", Unknown, Up, "recovered"), stopped(2)];
    for (entry, at) in entries.iter_mut().zip([last - day, last - day / 2, last]) {
        entry.at = at;
    }
    let recorded = Recorded { entries, unreadable: 0, last_alive: None };
    let history = History::of(&recorded, false, last, &Selection::default());
    let months: Vec<_> = history.months.iter().map(|month| (&*month.month, &*month.isp)).collect();
    assert_eq!(months, [("9999-12", "cable"), ("9999-12", "fiber")]);
}

#[test]
fn what_was_carried_is_summed_and_who_is_no_longer_listed_is_gone() {
    let carried =
        |isp: &str, n| IspTraffic { isp: isp.to_owned(), received_bytes: n, sent_packets: n, ..Default::default() };
    let entries = vec![
        started(0, None),
        state(1, "cable", Unknown, Down, "carrier"),
        entry(10, Event::Traffic { counted_from: None, isps: vec![carried("cable", 1), carried("fiber", 2)] }),
        entry(20, Event::Traffic { counted_from: None, isps: vec![carried("fiber", 3), carried("lte", 4)] }),
    ];
    let history = history(entries, None, true, 30, &Selection::default());
    assert_eq!(history.outages, [outage("cable", 1, 19.0, "carrier", End::Removed)]);
    let sums: Vec<_> =
        history.months.iter().map(|month| (&*month.isp, month.received_bytes, month.sent_packets)).collect();
    assert_eq!(sums, [("cable", 1, 1), ("fiber", 5, 5), ("lte", 4, 4)]);
}

#[test]
fn a_rehearsal_is_listed_and_costs_no_availability() {
    let entries = vec![
        started(0, None),
        state(0, "fiber", Unknown, Up, "recovered"),
        state(10, "fiber", Up, Down, "drill"),
        state(40, "fiber", Down, Up, "recovered"),
    ];
    let history = history(entries, None, true, 100, &Selection::default());
    assert!(history.outages[0].is_rehearsed());
    let month = history.months.iter().find(|month| month.isp == "fiber").unwrap();
    assert_eq!((month.availability_ratio, month.rehearsed_seconds, month.outages), (Some(1.0), 30.0, 0));
}

#[test]
fn an_outage_that_begins_during_a_rehearsal_is_one_of_its_own() {
    let failover = Event::Failover { isp: "fiber".to_owned(), cause: "drill".to_owned(), seconds: 0.5 };
    let entries = vec![
        started(0, None),
        state(0, "fiber", Unknown, Up, "recovered"),
        state(10, "fiber", Up, Down, "drill"),
        state(40, "fiber", Down, Down, "carrier"),
        entry(41, failover),
        state(60, "fiber", Down, Down, "drill"),
        state(70, "fiber", Down, Up, "recovered"),
    ];
    let history = history(entries, None, true, 100, &Selection::default());
    let expected = [
        outage("fiber", 10, 30.0, "drill", End::BecameReal),
        outage("fiber", 40, 20.0, "carrier", End::Recovered),
        outage("fiber", 60, 10.0, "drill", End::Recovered),
    ];
    assert_eq!(history.outages, expected);
    let month = history.months.iter().find(|month| month.isp == "fiber").unwrap();
    assert_eq!((month.outages, month.down_seconds, month.rehearsed_seconds), (1, 20.0, 40.0));
}

#[test]
fn a_log_whose_beginning_is_gone_is_read_from_where_it_begins() {
    let entries = vec![
        state(0, "fiber", Up, Down, "carrier"),
        entry(5, Event::EventsLost { count: 2 }),
        state(10, "fiber", Down, Up, "recovered"),
    ];
    let history = history(entries, None, true, 20, &Selection::default());
    assert_eq!(history.outages, [outage("fiber", 0, 10.0, "carrier", End::Recovered)]);
    assert_eq!(history.lost_events, 2);
}
