use std::time::Duration;

use super::*;
use crate::limits::EVENT_QUEUE;

fn down() -> Event {
    Event::IspState {
        isp: "fiber".into(),
        from: IspState::Up,
        to: IspState::Down,
        cause: "carrier".into(),
        after_seconds: 12.5,
    }
}

#[test]
fn a_line_is_as_documented_and_comes_back() {
    let at = OffsetDateTime::from_unix_timestamp(1_795_549_200).unwrap() + Duration::from_micros(7_900);
    let entry = Entry { version: VERSION, at, monotonic: 5, event: down() };
    let line = serde_json::to_string(&entry).unwrap();
    let expected = r#"{"version":1,"at":"2026-11-24T19:40:00.007Z","monotonic":5,"kind":"isp-state","isp":"fiber","from":"up","to":"down","cause":"carrier","after_seconds":12.5}"#;
    assert_eq!(line, expected);
    let back: Entry = serde_json::from_str(&line).unwrap();
    assert_eq!((back.event, back.at), (entry.event, at - Duration::from_micros(900)));
}

#[test]
fn kinds_are_the_words_of_the_log() {
    let event = down();
    let json = serde_json::to_value(&event).unwrap();
    assert_eq!(json["kind"], event.kind());
    assert!(Event::KINDS.iter().any(|(kind, _)| *kind == event.kind()));
}

#[test]
fn events_come_in_order_and_what_is_lost_is_said() {
    let (events, inbox) = Events::channel();
    for generation in 0..EVENT_QUEUE as u64 + 3 {
        events.tell(Event::ConfigReloaded { generation });
    }
    assert!(!events.flush(Duration::from_millis(1)), "nobody writes yet");
    drop(events);
    let mut entries = Vec::new();
    inbox.serve(Duration::from_secs(60), |more, _| entries.extend(more));
    let (lost, told) = entries.split_last().unwrap();
    assert_eq!(lost.event, Event::EventsLost { count: 3 });
    let told: Vec<_> = told.iter().map(|entry| entry.event.clone()).collect();
    let expected: Vec<_> = (0..EVENT_QUEUE as u64).map(|generation| Event::ConfigReloaded { generation }).collect();
    assert_eq!(told, expected);
}

#[test]
fn a_flush_ends_when_everything_is_written() {
    let (events, inbox) = Events::channel();
    let writer = std::thread::spawn(move || {
        let mut count = 0;
        inbox.serve(Duration::from_secs(60), |entries, _| count += entries.len());
        count
    });
    events.tell(down());
    assert!(events.flush(Duration::from_secs(60)));
    drop(events);
    assert_eq!(writer.join().unwrap(), 1);
}

#[test]
fn a_quiet_queue_lets_the_writer_show_that_it_lives() {
    let (events, inbox) = Events::channel();
    let (seen, sees) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        inbox.serve(Duration::from_millis(1), |entries, _| {
            let _ = seen.send(entries.len());
        });
    });
    assert_eq!(sees.recv(), Ok(0));
    drop(events);
    writer.join().unwrap();
}
