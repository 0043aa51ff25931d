//! What is kept over restarts and reloads: ids by name, and what operators want; and which ids change hands.

use std::path::Path;

use sixways::control::Control;
use sixways::control::config::Config;
use sixways::control::ids::Reused;
use sixways::limits::MAX_MAPPINGS;
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
