use std::path::PathBuf;

use super::*;
use crate::control::config::parse;

const MINUTE: Option<Duration> = Some(Duration::from_secs(60));

fn file(more: &str) -> ConfigFile {
    let text = format!("{}\n{more}", include_str!("../../../configs/minimal.toml"));
    ConfigFile { path: PathBuf::from("sixways.toml"), config: parse(&text).unwrap(), text }
}

fn at(seconds: u64) -> Nanos {
    Nanos(seconds * 1_000_000_000)
}

#[test]
fn what_is_not_confirmed_in_time_is_taken_back_once() {
    let mut reloads = Reloads::new(file(""));
    let new = file("[metrics]\nlisten = \"off\"\n");
    assert_eq!(reloads.propose(&new, MINUTE, at(0)).unwrap().len(), 1);
    reloads.accept(new.clone(), MINUTE, at(0));
    assert_eq!(reloads.until(), Some(at(60)));
    assert_eq!(reloads.overdue(at(59)), None);
    let former = reloads.overdue(at(60)).unwrap();
    assert_eq!(former, file(""));
    assert_eq!([reloads.stuck(), reloads.stuck()], [true, false], "the first failure is news");
    assert_eq!(reloads.overdue(at(61)), Some(file("")), "and the way back stays open");
    reloads.accept(former, None, at(60));
    assert_eq!(reloads.overdue(at(1000)), None);
    assert_eq!(reloads.current(), &file(""));
    assert_eq!(reloads.confirm(), Err(NothingOnTrial));
}

#[test]
fn a_confirmed_one_stays() {
    let mut reloads = Reloads::new(file(""));
    let new = file("[filter]\ninbound = \"open\"\n");
    reloads.accept(new.clone(), MINUTE, at(0));
    assert_eq!(reloads.confirm(), Ok(()));
    assert_eq!((reloads.overdue(at(61)), reloads.until()), (None, None));
    assert_eq!(reloads.current(), &new);
}

#[test]
fn during_a_trial_only_another_trial_follows_and_the_way_back_stays() {
    let mut reloads = Reloads::new(file(""));
    let (first, second) = (file("[filter]\ninbound = \"open\"\n"), file("[metrics]\nlisten = \"off\"\n"));
    reloads.accept(first, MINUTE, at(0));
    let refusal = reloads.propose(&second, None, at(18)).unwrap_err();
    assert_eq!(refusal, Refusal::OnTrial { left: 42 });
    assert!(refusal.to_string().contains("another 42 s; `sixways confirm` keeps it"), "{refusal}");
    assert!(reloads.propose(&second, MINUTE, at(18)).is_ok());
    reloads.accept(second, MINUTE, at(18));
    assert_eq!(reloads.overdue(at(77)), None, "the time begins anew");
    assert_eq!(reloads.overdue(at(78)), Some(file("")));
}

#[test]
fn what_needs_a_restart_is_refused_by_name() {
    let reloads = Reloads::new(file(""));
    let refusal = reloads.propose(&file("[dataplane]\nbatch = 128\n"), None, at(0)).unwrap_err();
    assert_eq!(refusal.to_string(), "needs a restart: dataplane.batch 64 -> 128");
}

#[test]
fn each_saved_state_counts_once_and_so_does_what_was_taken_back() {
    let mut reloads = Reloads::new(file(""));
    let (tried, wrong) = (file("[metrics]\nlisten = \"off\"\n"), "wrong");
    let saved = |reloads: &mut Reloads, text: &str| reloads.read(Some(text));
    assert_eq!((saved(&mut reloads, &file("").text), reloads.differs()), (Saved::Known, false));
    assert_eq!((saved(&mut reloads, wrong), reloads.differs()), (Saved::Another, true));
    assert_eq!(saved(&mut reloads, wrong), Saved::Known, "it was refused, and stays so");
    assert_eq!((saved(&mut reloads, &file("").text), reloads.differs()), (Saved::InForce, false));
    assert_eq!((reloads.read(None), reloads.differs()), (Saved::Another, true), "it is gone");
    assert_eq!(saved(&mut reloads, &tried.text), Saved::Another);
    reloads.accept(tried.clone(), MINUTE, at(0));
    assert!(!reloads.differs());
    assert!(matches!(reloads.propose(&file("# saved meanwhile\n"), None, at(1)), Err(Refusal::OnTrial { .. })));
    let former = reloads.overdue(at(60)).unwrap();
    reloads.accept(former, None, at(60));
    assert!(reloads.differs());
    assert_eq!(saved(&mut reloads, &tried.text), Saved::Known, "what was taken back does not come again");
}

#[test]
fn what_is_in_force_cannot_be_tried() {
    let mut reloads = Reloads::new(file(""));
    let refusal = reloads.propose(&file(""), MINUTE, at(0)).unwrap_err();
    assert!(refusal.to_string().contains("reload_on_save = false"), "{refusal}");
    reloads.accept(file("[metrics]\nlisten = \"off\"\n"), MINUTE, at(0));
    let again = file("[metrics]\nlisten = \"off\"\n");
    assert!(reloads.propose(&again, MINUTE, at(1)).is_ok(), "more time for a trial");
}
