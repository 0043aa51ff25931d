//! What is kept over restarts and reloads: ids by name, and what operators want; and which ids change hands.

use std::path::Path;
use std::time::Duration;

use sixways::control::Control;
use sixways::control::config::{Config, Part, PrefixOrigin, PrefixSource};
use sixways::control::ids::Reused;
use sixways::control::prefixes::{News, Turn};
use sixways::limits::MAX_MAPPINGS;
use sixways::npt::Mapping;
use sixways::units::Nanos;

use crate::lab::{config, in_lab};
use crate::start;

#[test]
fn ids_and_the_hash_key_outlast_the_process_and_a_reload_is_whole_or_nothing() {
    in_lab(|_lab| async move {
        let dir = tempfile::tempdir().expect("a directory");
        let mut control = start(dir.path()).await;
        let before = control.compile().expect("it compiles").snapshot;
        let mut other = config();
        other.isps[1].interface = "wan0".to_owned();
        assert!(control.reload(other, |_| panic!("nothing changes hands")).is_err());
        let mut swapped = config();
        swapped.isps.swap(0, 1);
        control.reload(swapped, |reused| assert_eq!(*reused, Reused::default())).expect("reloaded");
        let after = control.compile().expect("it compiles").snapshot;
        assert_eq!(after.generation, before.generation + 1);
        let names = |snapshot: &sixways::snapshot::Snapshot| -> Vec<_> {
            snapshot.uplinks.iter().map(|uplink| uplink.name.clone()).collect()
        };
        assert_eq!(names(&after), names(&before), "ids go by name, not by place");
        assert!(Control::start(config(), dir.path()).await.is_err(), "the directory is in use");
        drop(control);
        let again = start(dir.path()).await.compile().expect("it compiles").snapshot;
        assert_eq!(again.hash_key, before.hash_key);
        assert_eq!(names(&again), names(&before));
    });
}

#[test]
fn a_drain_outlasts_a_configuration_without_the_isp() {
    in_lab(|_lab| async move {
        let dir = tempfile::tempdir().expect("a directory");
        let without = || Config { isps: config().isps.into_iter().filter(|isp| isp.name != "b").collect(), ..config() };
        let drain = |control: &mut Control| control.drain("b", None, Nanos(0)).map_err(|error| error.to_string());
        let mut control = start(dir.path()).await;
        drain(&mut control).expect("drained");
        control.reload(without(), |_| ()).expect("reloaded");
        assert!(drain(&mut control).unwrap_err().contains("there is no ISP `b`"));
        control.reload(config(), |_| ()).expect("as when a trial is rolled back");
        assert!(drain(&mut control).unwrap_err().contains("drained already"));
        drop(control);
        // Nor does a run without the ISP change that.
        let mut control = Control::start(without(), dir.path()).await.expect("control starts");
        control.drain("a", None, Nanos(0)).expect("drained");
        drop(control);
        let mut control = start(dir.path()).await;
        assert!(drain(&mut control).unwrap_err().contains("drained already"));
        control.undrain("b", Nanos(0)).expect("it was drained");
    });
}

/// ISP a has written pairs for all ids but one, ISP b a prefix out of `file`.
fn all_but_one(file: &Path) -> Config {
    let mut all = config();
    let pair = |number: usize| {
        let of = |prefix: &str| format!("{prefix}:{number:x}::/64").parse().expect("a prefix");
        Mapping::new(of("fd12:3456:789a"), of("2001:db8:a")).expect("a pair")
    };
    all.isps[0].mappings = (0..MAX_MAPPINGS - 1).map(pair).collect();
    all.isps[1].mappings.clear();
    let origin = PrefixOrigin::File(file.to_owned());
    all.isps[1].source = Some(PrefixSource { origin, part: Part::default(), grace: Nanos(3_000_000_000) });
    all
}

#[test]
fn a_prefix_that_there_is_no_id_for_waits_until_a_former_one_is_over() {
    in_lab(|_lab| async move {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("b.prefix");
        std::fs::write(&file, "2001:db8:b::/48\n").expect("written");
        let mut control = Control::start(all_but_one(&file), &dir.path().join("state")).await.expect("it starts");
        let told = |news: Vec<News>| news.into_iter().map(|news| news.what).collect::<Vec<_>>();
        let learn = |control: &mut Control| control.learn(|_| ()).map(told).map_err(|error| error.to_string());
        let in_force = |control: &Control| control.config().isps[1].mappings[0].external().to_string();
        assert_eq!(learn(&mut control).expect("there is one id left").len(), 1);
        std::fs::write(&file, "2001:db8:c::/48\n").expect("written");
        assert!(learn(&mut control).expect_err("the former one is in its grace").contains("257 prefix pairs"));
        assert_eq!((learn(&mut control), in_force(&control)), (Ok(vec![]), "2001:db8:b::/48".to_owned()), "said once");
        let prefix = |letter: &str| format!("2001:db8:{letter}::/48").parse().expect("a prefix");
        let changed = Turn::Changed { old: Some(prefix("b")), new: Some(prefix("c")) };
        let news = loop {
            let news = learn(&mut control).expect("nothing is said twice");
            if !news.is_empty() {
                break news;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(news, [changed, Turn::Retired(prefix("b"))]);
        assert_eq!(in_force(&control), "2001:db8:c::/48");
        assert_eq!(learn(&mut control), Ok(vec![]));
    });
}

#[test]
fn mappings_that_change_hands_are_told_until_they_are_forgotten() {
    in_lab(|_lab| async move {
        let dir = tempfile::tempdir().expect("a directory");
        // Every id belongs to a pair that is gone.
        let names: Vec<String> = (0..MAX_MAPPINGS).map(|id| format!("old{id}")).collect();
        let ids: serde_json::Map<String, _> =
            names.iter().enumerate().map(|(id, name)| (name.clone(), id.into())).collect();
        let none = serde_json::json!({ "ids": {}, "gone": [] });
        let content = serde_json::json!({
            "ports": none, "edges": none, "uplinks": none, "mappings": { "ids": ids, "gone": names },
        });
        let file = serde_json::json!({ "version": 1, "content": content });
        std::fs::write(dir.path().join("ids.json"), file.to_string()).expect("written");
        let told = async |path: &Path, settle: bool| {
            let mut control = Control::start(config(), path).await.expect("control starts");
            let mut told = Vec::new();
            if settle {
                control.settle_ids(|reused| told.clone_from(&reused.mappings)).expect("ids are kept");
            }
            told.iter().map(|mapping| mapping.index()).collect::<Vec<_>>()
        };
        assert!(told(dir.path(), false).await.is_empty());
        let pairs = config().isps.iter().map(|isp| isp.mappings.len()).sum();
        let longest_gone: Vec<usize> = (0..pairs).collect();
        assert_eq!(told(dir.path(), true).await, longest_gone, "a start that came to nothing changes nothing");
        assert!(told(dir.path(), true).await.is_empty(), "they mean the same as in the last run");
    });
}
