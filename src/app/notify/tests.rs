use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc;

use super::*;
use crate::control::config;

fn entry(isp: &str) -> Entry {
    Entry::now(Event::IspUndrained { isp: isp.to_owned() })
}

fn notify(text: &str) -> Arc<Notify> {
    let config = config::parse(&format!("{}\n[notify]\n{text}", include_str!("../../../configs/minimal.toml")));
    Arc::new(config.unwrap_or_else(|errors| panic!("{errors}")).notify.unwrap())
}

struct Told {
    notifier: Notifier,
    counters: Arc<TellingCounters>,
    undelivered: Undelivered,
}

fn tell(text: &str) -> Told {
    let (counters, undelivered) = (Arc::<TellingCounters>::default(), Undelivered::default());
    let notifier = Notifier::new(notify(text), &undelivered, Arc::clone(&counters), Nanos(0)).unwrap();
    Told { notifier, counters, undelivered }
}

/// What a script of the shell's leaves in a file of the directory.
fn script(directory: &Path, script: &str) -> String {
    format!("exec = [\"/bin/sh\", \"-c\", '''cd {} && {script}''', \"hook\", \"an argument\"]", directory.display())
}

#[test]
fn a_program_has_the_event_in_three_forms() {
    let directory = tempfile::tempdir().unwrap();
    let hook = script(directory.path(), r#"{ cat; echo "$1 $SIXWAYS_KIND $SIXWAYS_ISP"; } > told"#);
    let mut told = tell(&hook);
    let entry = entry("fiber");
    assert_eq!(told.notifier.offer(std::slice::from_ref(&entry), Nanos(0)), None);
    told.undelivered.wait(Duration::from_secs(60));
    let text = std::fs::read_to_string(directory.path().join("told")).unwrap();
    let (json, words) = text.split_once('\n').unwrap();
    assert_eq!(serde_json::from_str::<Entry>(json).unwrap().event, entry.event);
    assert_eq!(words, "an argument isp-undrained fiber\n");
    assert_eq!((told.counters.exec.sent.get(), told.counters.exec.failed.get()), (1, 0));
}

#[test]
fn kinds_that_nobody_asked_for_are_not_told() {
    let directory = tempfile::tempdir().unwrap();
    let hook = script(directory.path(), "cat >> told") + "\nevents = [\"isp-undrained\"]";
    let mut told = tell(&hook);
    told.notifier.offer(&[Entry::now(Event::ConfigReloaded { generation: 1 }), entry("fiber")], Nanos(0));
    told.undelivered.wait(Duration::from_secs(60));
    let text = std::fs::read_to_string(directory.path().join("told")).unwrap();
    assert!(text.contains("isp-undrained") && !text.contains("config-reloaded"), "{text}");
}

#[test]
fn a_program_that_hangs_delays_nobody_and_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let mut told = tell(&(script(directory.path(), "sleep 1000") + "\ntimeout = \"1s\""));
    told.notifier.offer(&[entry("fiber")], Nanos(0));
    told.undelivered.wait(Duration::from_secs(60));
    assert_eq!((told.counters.exec.sent.get(), told.counters.exec.failed.get()), (0, 1));
}

#[test]
fn what_is_too_much_is_counted_and_told_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let mut told = tell(&(script(directory.path(), "cat >> told") + "\nrate = 2"));
    let entries: Vec<_> = ["a", "b", "c", "d"].map(entry).into();
    assert_eq!(told.notifier.offer(&entries, Nanos(0)), None);
    assert_eq!(told.counters.suppressed.get(), 2);
    assert_eq!(told.notifier.offer(&[], Nanos::from_millis(29_000)), None);
    let summary = told.notifier.offer(&[], Nanos::from_millis(30_000)).unwrap();
    assert_eq!(summary.event, Event::NotificationsSuppressed { count: 2 });
    assert_eq!(told.notifier.offer(&[], Nanos::from_millis(90_000)), None);
    told.undelivered.wait(Duration::from_secs(60));
    assert_eq!(std::fs::read_to_string(directory.path().join("told")).unwrap().lines().count(), 3);
}

/// Reads one request and answers with `status`.
fn serve(mut client: TcpStream, status: &str) -> String {
    let (mut request, mut some) = (Vec::new(), [0; 4096]);
    let text = loop {
        let count = client.read(&mut some).unwrap();
        request.extend_from_slice(&some[..count]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if count == 0 || text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.ends_with('}')) {
            break text;
        }
    };
    write!(client, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    text
}

#[test]
fn a_server_gets_the_event_again_until_it_takes_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut told = tell(&format!("webhook = \"http://{}/hook?token=1\"", listener.local_addr().unwrap()));
    let (sender, requests) = mpsc::channel();
    let server = thread::spawn(move || {
        for status in ["503 Service Unavailable", "204 No Content"] {
            sender.send(serve(listener.accept().unwrap().0, status)).unwrap();
        }
    });
    told.notifier.offer(&[entry("fiber")], Nanos(0));
    told.undelivered.wait(Duration::from_secs(60));
    server.join().unwrap();
    for request in requests {
        assert!(request.starts_with("POST /hook?token=1 HTTP/1.1\r\n"), "{request}");
        assert!(request.to_lowercase().contains("content-type: application/json\r\n"), "{request}");
        assert!(request.contains(r#""kind":"isp-undrained","isp":"fiber"}"#), "{request}");
    }
    assert_eq!((told.counters.webhook.sent.get(), told.counters.webhook.failed.get()), (1, 0));
}
