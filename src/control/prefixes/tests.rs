use super::*;
use crate::control::config::parse;

const START: i64 = 1_700_000_000;

fn at(seconds: u64) -> Moment {
    let at = OffsetDateTime::from_unix_timestamp(START + seconds as i64).unwrap();
    Moment { nanos: Nanos(5_000_000_000 + seconds * 1_000_000_000), at }
}

/// cable learns its prefix by a file, wave by an interface, fiber has it written.
fn config(cable: &str) -> Config {
    let text = format!(
        "version = 1\n[site]\ninternal = [\"fd12:3456:789a::/48\"]\n[[lan]]\ninterface = \"lan0\"\n\
         [[isp]]\nname = \"fiber\"\ninterface = \"wan0\"\nprefix = \"2001:db8:1::/48\"\n\
         [[isp]]\nname = \"cable\"\ninterface = \"wan1\"\nprefix = {{ file = \"/run/none\"{cable} }}\n\
         [[isp]]\nname = \"wave\"\ninterface = \"wan2\"\nprefix = {{ interface = \"wan2\", grace = \"5s\" }}\n"
    );
    parse(&text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn plain() -> Config {
    config(", grace = \"60s\"")
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// `cable` shows `text`.
fn cable(prefixes: &mut Prefixes, text: &str, seconds: u64) -> Vec<Turn> {
    let config = plain();
    let sight = if text.is_empty() { Sight::Nothing("it is missing".to_owned()) } else { Sight::Prefix(prefix(text)) };
    prefixes.see(&config, &config.isps[1], sight, at(seconds)).into_iter().map(|news| news.what).collect()
}

/// Current and former external prefixes of `cable`.
fn has(prefixes: &Prefixes) -> (Vec<String>, Vec<String>) {
    let config = prefixes.apply(&plain());
    let names = |mappings: &[Mapping]| mappings.iter().map(|mapping| mapping.external().to_string()).collect();
    (names(&config.isps[1].mappings), names(&config.isps[1].former))
}

fn changed(old: &str, new: &str) -> Turn {
    let prefix = |text: &str| (!text.is_empty()).then(|| prefix(text));
    Turn::Changed { old: prefix(old), new: prefix(new) }
}

const A: &str = "2001:db8:a::/48";
const B: &str = "2001:db8:b::/48";

#[test]
fn a_new_prefix_is_used_at_once_and_the_old_one_kept_for_the_grace() {
    let mut prefixes = Prefixes::default();
    assert_eq!(has(&prefixes), (vec![], vec![]), "an ISP without a prefix has no pair");
    assert_eq!(cable(&mut prefixes, A, 0), [changed("", A)]);
    assert_eq!(cable(&mut prefixes, A, 1), [], "no news");
    assert_eq!(cable(&mut prefixes, B, 2), [changed(A, B)]);
    assert_eq!(has(&prefixes), (vec![B.to_owned()], vec![A.to_owned()]));
    assert!(prefixes.advance(&plain(), at(61)).is_empty());
    let retired = prefixes.advance(&plain(), at(62));
    assert_eq!(retired, [News { isp: "cable".to_owned(), what: Turn::Retired(prefix(A)) }]);
    assert_eq!(has(&prefixes), (vec![B.to_owned()], vec![]));
}

#[test]
fn a_prefix_that_returns_is_no_former_one() {
    let mut prefixes = Prefixes::default();
    for (seconds, text) in [A, B, A].into_iter().enumerate() {
        cable(&mut prefixes, text, seconds as u64);
    }
    assert_eq!(has(&prefixes), (vec![A.to_owned()], vec![B.to_owned()]));
}

#[test]
fn a_prefix_is_gone_when_it_stays_away() {
    let mut prefixes = Prefixes::default();
    cable(&mut prefixes, A, 0);
    assert_eq!(cable(&mut prefixes, "", 1), []);
    assert_eq!(cable(&mut prefixes, "", 2), []);
    assert!(prefixes.advance(&plain(), at(2)).is_empty(), "a file that is written anew is away for a moment");
    cable(&mut prefixes, A, 2);
    cable(&mut prefixes, "", 10);
    assert!(prefixes.advance(&plain(), at(11)).is_empty(), "and its time starts anew");
    let news = prefixes.advance(&plain(), at(12));
    assert_eq!(news, [News { isp: "cable".to_owned(), what: changed(A, "") }]);
    assert_eq!(has(&prefixes), (vec![], vec![A.to_owned()]), "its flows have the grace");
}

#[test]
fn what_is_unfit_is_told_once_and_changes_nothing() {
    let mut prefixes = Prefixes::default();
    cable(&mut prefixes, A, 0);
    let isps = [("2001:db8:1:8::/64", "ISP \"fiber\""), ("fd12::/16", "the site"), ("2000::/12", "shorter than /16")];
    for (unfit, reason) in isps {
        let news = cable(&mut prefixes, unfit, 1);
        assert!(matches!(&news[..], [Turn::Refused(said)] if said.contains(reason)), "{unfit}: {news:?}");
        assert_eq!(cable(&mut prefixes, unfit, 2), [], "once");
    }
    let config = plain();
    let garbage = prefixes.see(&config, &config.isps[1], Sight::Unfit("line 1: garbage".to_owned()), at(3));
    assert_eq!(garbage, [News { isp: "cable".to_owned(), what: Turn::Refused("line 1: garbage".to_owned()) }]);
    assert!(prefixes.advance(&config, at(1000)).is_empty(), "garbage is not absence");
    assert_eq!(has(&prefixes), (vec![A.to_owned()], vec![]));
    let wave = prefixes.see(&config, &config.isps[2], Sight::Prefix(prefix("2001:db8:a:5::/64")), at(4));
    assert!(matches!(&wave[..], [News { what: Turn::Refused(said), .. }] if said.contains("cable")), "{wave:?}");
}

/// Both look at once; an empty text is nothing.
fn both(prefixes: &mut Prefixes, cable: &str, wave: &str, seconds: u64) -> Vec<News> {
    let config = plain();
    let sight = |text: &str| match text {
        "" => Sight::Nothing("it is missing".to_owned()),
        "garbage" => Sight::Unfit("line 1: garbage".to_owned()),
        text => Sight::Prefix(prefix(text)),
    };
    let news =
        prefixes.see_all(&config, vec![(&config.isps[1], sight(cable)), (&config.isps[2], sight(wave))], at(seconds));
    let in_force = prefixes.apply(&config);
    let pairs = || in_force.isps.iter().flat_map(|isp| isp.pairs().map(|pair| (&isp.name, pair.external())));
    for (isp, external) in pairs() {
        let overlap = pairs().find(|(other, theirs)| *other != isp && theirs.overlaps(external));
        assert_eq!(overlap, None, "{isp} has {external}");
    }
    news
}

/// Current external prefixes of `cable` and `wave`.
fn currents(prefixes: &Prefixes) -> [Option<String>; 2] {
    let config = prefixes.apply(&plain());
    [1, 2].map(|n| config.isps[n].mappings.first().map(|pair| pair.external().to_string()))
}

fn some(cable: &str, wave: &str) -> [Option<String>; 2] {
    [cable, wave].map(|text| (!text.is_empty()).then(|| text.to_owned()))
}

#[test]
fn two_isps_exchange_their_prefixes() {
    let mut prefixes = Prefixes::default();
    both(&mut prefixes, A, B, 0);
    let (mut restarted, _) = Prefixes::restore(&prefixes.kept(), &plain(), at(1));
    for prefixes in [&mut prefixes, &mut restarted] {
        let news = both(prefixes, B, A, 2);
        assert_eq!(currents(prefixes), some(B, A));
        let of = |isp: &str, what| News { isp: isp.to_owned(), what };
        let retired = |text| Turn::Retired(prefix(text));
        let moved = [of("cable", changed(A, B)), of("wave", changed(B, A))];
        assert_eq!(news, [&moved[..], &[of("wave", retired(B)), of("cable", retired(A))]].concat());
        assert_eq!(both(prefixes, B, A, 3), []);
    }
}

#[test]
fn files_that_are_exchanged_one_after_the_other_are_in_the_end() {
    let mut prefixes = Prefixes::default();
    both(&mut prefixes, A, B, 0);
    let news = both(&mut prefixes, B, B, 1);
    assert!(matches!(&news[..], [News { what: Turn::Refused(_), .. }]), "wave's source shows it: {news:?}");
    both(&mut prefixes, B, A, 2);
    assert_eq!(currents(&prefixes), some(B, A));
}

#[test]
fn a_prefix_goes_to_whose_source_shows_it_and_stays_where_nobody_shows_another() {
    let mut prefixes = Prefixes::default();
    both(&mut prefixes, A, B, 0);
    both(&mut prefixes, B, "", 1);
    assert_eq!(currents(&prefixes), some(A, B), "a file that is written anew is away for a moment");
    both(&mut prefixes, B, "garbage", 2);
    assert_eq!(currents(&prefixes), some(A, B), "garbage is not absence");
    let news = both(&mut prefixes, B, "2001:db8:1:8::/64", 3);
    assert!(news.iter().any(|news| matches!(news.what, Turn::Refused(_))), "it is fiber's: {news:?}");
    assert_eq!(currents(&prefixes), some(B, ""), "wave shows another one, though none that it can have");
    both(&mut prefixes, "2001:db8:c::/48", B, 4);
    assert_eq!(currents(&prefixes), some("2001:db8:c::/48", B), "a grace does not outlast that it is another's");
    both(&mut prefixes, "2001:db8:d::/48", "2001:db8:d::/48", 5);
    assert_eq!(currents(&prefixes), some("2001:db8:d::/48", B), "the first one of two");
}

#[test]
fn a_former_prefix_that_shares_addresses_with_the_new_one_is_retired_at_once() {
    let mut prefixes = Prefixes::default();
    cable(&mut prefixes, "2001:db8:a:b000::/52", 0);
    let news = cable(&mut prefixes, "2001:db8:a:b000::/56", 1);
    let old = prefix("2001:db8:a:b000::/52");
    assert_eq!(news, [changed("2001:db8:a:b000::/52", "2001:db8:a:b000::/56"), Turn::Retired(old)]);
}

#[test]
fn former_prefixes_are_bounded() {
    let mut prefixes = Prefixes::default();
    let all: Vec<String> = (0..MAX_FORMER_PREFIXES + 3).map(|n| format!("2001:db8:a{n}::/48")).collect();
    let news: Vec<Turn> = all.iter().flat_map(|text| cable(&mut prefixes, text, 0)).collect();
    let retired: Vec<&Turn> = news.iter().filter(|turn| matches!(turn, Turn::Retired(_))).collect();
    assert_eq!(retired, [&Turn::Retired(prefix(&all[0])), &Turn::Retired(prefix(&all[1]))]);
    assert_eq!(has(&prefixes).1, all[2..MAX_FORMER_PREFIXES + 2]);
}

#[test]
fn a_restart_goes_on_with_what_was_known_and_with_the_rest_of_the_grace() {
    let mut prefixes = Prefixes::default();
    cable(&mut prefixes, A, 0);
    cable(&mut prefixes, B, 10);
    let text = serde_json::to_string(&prefixes.kept()).unwrap();
    let kept: Kept = serde_json::from_str(&text).unwrap();
    assert_eq!(kept, prefixes.kept());
    // The monotonic clock begins anew at a reboot.
    let reboot = |seconds| Moment { nanos: Nanos(1_000_000_000 * (seconds - 20)), ..at(seconds) };
    let (mut prefixes, news) = Prefixes::restore(&kept, &plain(), reboot(30));
    assert!(news.is_empty());
    assert_eq!(has(&prefixes), (vec![B.to_owned()], vec![A.to_owned()]));
    assert!(prefixes.advance(&plain(), reboot(69)).is_empty());
    assert_eq!(prefixes.advance(&plain(), reboot(70)).len(), 1, "A's grace ends when it would have");
    let gone = prefixes.advance(&plain(), reboot(90));
    assert!(matches!(&gone[..], [News { what: Turn::Changed { new: None, .. }, .. }]), "nobody has said B again");
    let (mut ahead, _) = Prefixes::restore(&kept, &plain(), Moment { at: at(0).at - time::Duration::days(9), ..at(0) });
    assert_eq!(ahead.advance(&plain(), at(60)).len(), 2, "a clock that went back makes no grace longer");
}

#[test]
fn another_configuration_may_want_another_part_or_take_it_away() {
    let mut prefixes = Prefixes::default();
    cable(&mut prefixes, A, 0);
    let parts = config(", length = 56, subnet_id = 2");
    let news = prefixes.follow(&parts, at(1));
    assert_eq!(
        news,
        [
            News { isp: "cable".to_owned(), what: changed(A, "2001:db8:a:200::/56") },
            News { isp: "cable".to_owned(), what: Turn::Retired(prefix(A)) }
        ]
    );
    let mut taken = plain();
    taken.isps[0].mappings = vec![Mapping::new(prefix("fd12:3456:789a::/48"), prefix(A)).unwrap()];
    let news = prefixes.follow(&taken, at(2));
    assert!(
        matches!(&news[..], [News { what: Turn::Changed { new: None, .. }, .. }, News { what: Turn::Refused(why), .. }]
        if why.contains("fiber")),
        "{news:?}"
    );
    let mut literal = plain();
    literal.isps[1].source = None;
    prefixes.follow(&literal, at(3));
    assert_eq!(prefixes.kept(), Kept::default());
}

#[test]
fn history_tells_which_pairs_were_in_force() {
    let (mut prefixes, mut history) = (Prefixes::default(), History::default());
    assert_eq!(history.begins(), None);
    cable(&mut prefixes, A, 0);
    assert!(history.note(&prefixes.apply(&plain()), at(0).at));
    assert!(!history.note(&prefixes.apply(&plain()), at(1).at), "nothing new");
    cable(&mut prefixes, B, 10);
    history.note(&prefixes.apply(&plain()), at(10).at);
    prefixes.advance(&plain(), at(70));
    history.note(&prefixes.apply(&plain()), at(70).at);
    let external = |seconds| -> Vec<String> {
        let cable = history.at(at(seconds).at).filter(|record| record.isp == "cable");
        cable.map(|record| record.external.to_string()).collect()
    };
    assert_eq!(
        (external(5), external(10), external(69), external(70)),
        (vec![A.to_owned()], vec![A.to_owned(), B.to_owned()], vec![A.to_owned(), B.to_owned()], vec![B.to_owned()])
    );
    assert_eq!(history.at(at(0).at - time::Duration::seconds(1)).count(), 0);
    assert_eq!(history.begins(), Some(at(0).at));
    let text = serde_json::to_string(&history).unwrap();
    assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
}

#[test]
fn what_is_learnt_before_the_clock_is_set_was_not_in_force_since_1970() {
    let (mut prefixes, mut history) = (Prefixes::default(), History::default());
    cable(&mut prefixes, A, 0);
    history.note(&prefixes.apply(&plain()), at(0).at);
    cable(&mut prefixes, B, 10);
    history.note(&prefixes.apply(&plain()), OffsetDateTime::UNIX_EPOCH);
    prefixes.advance(&plain(), at(70));
    history.note(&prefixes.apply(&plain()), at(70).at);
    let begun: Vec<_> = history.at(at(70).at).map(|record| record.since).collect();
    assert_eq!(begun, [at(0).at; 2], "fiber, and B");
    assert_eq!((history.begins(), history.at(at(0).at - time::Duration::days(1)).count()), (Some(at(0).at), 0));
}

#[test]
fn status_is_told_what_is_in_force_and_what_is_wrong() {
    let config = plain();
    let mut prefixes = Prefixes::default();
    let said = |prefixes: &Prefixes, seconds| prefixes.report(&config, at(seconds)).swap_remove(0);
    let never = said(&prefixes, 0);
    assert_eq!((never.isp.as_str(), never.learnt_from.as_str(), never.current), ("cable", "/run/none", None));
    cable(&mut prefixes, "", 0);
    assert_eq!(said(&prefixes, 0).trouble.unwrap(), "it is missing");
    cable(&mut prefixes, A, 1);
    cable(&mut prefixes, B, 11);
    cable(&mut prefixes, B, 13);
    let found = said(&prefixes, 14);
    let current = found.current.unwrap();
    assert_eq!((current.prefix, current.age, current.gone_at), (prefix(B), Nanos(3_000_000_000), None));
    let former: Vec<_> = found.former.iter().map(|former| (former.prefix, former.until)).collect();
    assert_eq!((former, found.changes, found.trouble), (vec![(prefix(A), at(71).nanos)], 2, None));
    cable(&mut prefixes, "2000::/12", 15);
    let refused = said(&prefixes, 15);
    assert!(refused.trouble.unwrap().contains("shorter than /16") && refused.changes == 2);
    cable(&mut prefixes, "", 20);
    assert_eq!(said(&prefixes, 20).current.unwrap().gone_at, Some(at(22).nanos));
    let (again, _) = Prefixes::restore(&prefixes.kept(), &config, at(111));
    assert_eq!(said(&again, 111).current.unwrap().age, Nanos(100_000_000_000), "over restarts");
    prefixes.advance(&config, at(22));
    assert_eq!((said(&prefixes, 22).current, said(&prefixes, 22).changes), (None, 3));
}
