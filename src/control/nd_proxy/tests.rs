use std::net::Ipv6Addr;
use std::sync::{Arc, OnceLock};

use super::{NdProxy, Picture, Reaction};
use crate::control::compile::tests::World;
use crate::control::config::NdProxy as Setting;
use crate::limits::{ND_ANSWER_BURST, ND_ASK_BURST, ND_UNCONFIRMED_BURST, ND_WAIT_NANOS, ND_WAITING};
use crate::npt::Mapping;
use crate::observe::nd_proxy::{NdCounters, NdOutcome};
use crate::snapshot::{Generation, NeighbourState, NeighbourTable};
use crate::units::{EdgeId, MacAddr, Nanos, UplinkId};
use solicitation::{Advertisement, Solicitation};

mod former;
mod hostile;
#[path = "../../../tests/common/solicitation.rs"]
mod solicitation;

const ROUTER_MAC: [u8; 6] = [2, 0xaa, 0, 0, 0, 1];
/// What [`World`] gives wan0.
const OUR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 4];
const SECOND: u64 = 1_000_000_000;

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// Two /64s on the link of ISP a, one of them behind an inner router of lan0.
fn generation(setting: Setting) -> &'static Generation {
    static CONFIRMED: OnceLock<Generation> = OnceLock::new();
    static STATIC: OnceLock<Generation> = OnceLock::new();
    let cell = if setting == Setting::Static { &STATIC } else { &CONFIRMED };
    cell.get_or_init(|| {
        let mut world = World::new();
        let pair = |(internal, external): (&str, &str)| {
            Mapping::new(internal.parse().unwrap(), external.parse().unwrap()).unwrap()
        };
        world.config.isps[0].mappings = vec![
            pair(("fd12:3456:789a:10::/64", "2001:db8:a:77ab::/64")),
            pair(("fd12:3456:789a:20::/64", "2001:db8:a:77ac::/64")),
        ];
        world.config.isps[0].nd_proxy = setting;
        world
            .address("lan0", "fd12:3456:789a:10::1/64")
            .address("wan0", "2001:db8:a:77ab::2/64")
            .address("wan0", "fe80::2/64")
            .route("default via fe80::a dev wan0")
            .route("fd12:3456:789a:20::/64 via fd12:3456:789a:10::99 dev lan0");
        world.compile().generation
    })
}

/// One proxy and what it decides by.
struct Stand {
    generation: &'static Generation,
    table: NeighbourTable,
    counters: Arc<NdCounters>,
    proxy: NdProxy,
    lan: EdgeId,
    wan: EdgeId,
    now: Nanos,
}

impl Stand {
    fn new(setting: Setting) -> Self {
        Self::of(generation(setting))
    }

    fn of(generation: &'static Generation) -> Self {
        let counters = Arc::new(NdCounters::default());
        counters.show(UplinkId(0));
        let proxy = NdProxy::new(generation.proxies[0].clone(), Arc::clone(&counters));
        let edge = |name: &str| {
            let position = generation.snapshot.edges.iter().position(|edge| &*edge.name == name).unwrap();
            EdgeId(position as u8)
        };
        let (lan, wan) = (edge("lan0"), edge("wan0"));
        Self { table: NeighbourTable::new(8192), counters, proxy, lan, wan, now: Nanos(1 << 40), generation }
    }

    /// The image of an inside address.
    fn image(&self, inside: &str) -> Ipv6Addr {
        self.generation.snapshot.mappings.image(UplinkId(0), ip(inside)).unwrap().1
    }

    fn resolve(&self, edge: EdgeId, address: &str) {
        self.table.set(edge, ip(address), NeighbourState::Resolved(MacAddr([2, 1, 1, 1, 1, 1]))).unwrap();
    }

    fn hear(&mut self, frame: &[u8]) -> Reaction {
        let picture = Picture { snapshot: &self.generation.snapshot, neighbours: &self.table };
        self.proxy.hear(frame, picture, self.now)
    }

    fn settle(&mut self) -> Vec<Advertisement> {
        let picture = Picture { snapshot: &self.generation.snapshot, neighbours: &self.table };
        let answers = self.proxy.settle(picture, self.now);
        answers.iter().map(|answer| Advertisement::read(answer).unwrap()).collect()
    }

    /// What the ISP's router is told about `target`.
    #[track_caller]
    fn answer(&mut self, solicitation: &Solicitation) -> Advertisement {
        match self.hear(&solicitation.frame()) {
            Reaction::Send(frame) => Advertisement::read(&frame).expect("an advertisement"),
            other => panic!("{other:?} to {solicitation:?}"),
        }
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let (_, counts) = self.counters.load()[0];
        let counted = NdOutcome::ALL.iter().map(|outcome| (outcome.label(), counts[outcome.index()]));
        counted.filter(|(_, count)| *count > 0).collect()
    }
}

fn asks(target: Ipv6Addr) -> Solicitation {
    Solicitation::multicast(ROUTER_MAC, ip("fe80::a"), target)
}

#[test]
fn a_known_host_is_answered_for_as_a_proxy_does() {
    let mut stand = Stand::new(Setting::Confirmed);
    stand.resolve(stand.lan, "fd12:3456:789a:10::5");
    let target = stand.image("fd12:3456:789a:10::5");
    let expected = Advertisement {
        to_mac: ROUTER_MAC,
        from_mac: OUR_MAC,
        source: ip("fe80::2"),
        destination: ip("fe80::a"),
        router: false,
        solicited: true,
        overrides: false,
        target,
        mac: Some(OUR_MAC),
    };
    assert_eq!(stand.answer(&asks(target)), expected);
    let padded = Solicitation { padding: 6, ..asks(target) };
    assert_eq!(stand.answer(&padded), expected);
    // A router that makes sure, from whatever address, without its MAC.
    let sure = Solicitation::unicast(ROUTER_MAC, ip("2001:db8:a:77ab::a"), OUR_MAC, target);
    assert_eq!(stand.answer(&sure), Advertisement { destination: ip("2001:db8:a:77ab::a"), ..expected });
    // A virtual router says where it is, and that is not where its frame came from.
    let elsewhere = Solicitation { options: [&[1, 1], &[0, 0, 0x5e, 0, 2, 7][..]].concat(), ..asks(target) };
    assert_eq!(stand.answer(&elsewhere), Advertisement { to_mac: [0, 0, 0x5e, 0, 2, 7], ..expected });
    assert_eq!(stand.counts(), [("answered", 4)]);
}

#[test]
fn somebody_who_wants_a_hosts_address_is_told_as_all_are() {
    for setting in [Setting::Confirmed, Setting::Static] {
        let mut stand = Stand::new(setting);
        stand.resolve(stand.lan, "fd12:3456:789a:10::5");
        let target = stand.image("fd12:3456:789a:10::5");
        let told = stand.answer(&Solicitation::duplicate([2, 0xbb, 0, 0, 0, 1], target));
        assert_eq!((told.to_mac, told.destination), ([0x33, 0x33, 0, 0, 0, 1], ip("ff02::1")));
        assert_eq!((told.solicited, told.overrides, told.target, told.mac), (false, false, target, Some(OUR_MAC)));
        // One that nobody is known to have is not defended before somebody inside has answered.
        let free = stand.image("fd12:3456:789a:10::6");
        let heard = stand.hear(&Solicitation::duplicate([2, 0xbb, 0, 0, 0, 1], free).frame());
        assert_eq!(heard, Reaction::Resolve(stand.lan, ip("fd12:3456:789a:10::6")));
    }
}

#[test]
fn a_host_is_looked_for_and_answered_for_once_it_is_found() {
    let mut stand = Stand::new(Setting::Confirmed);
    let target = stand.image("fd12:3456:789a:10::5");
    let wanted = Reaction::Resolve(stand.lan, ip("fd12:3456:789a:10::5"));
    assert_eq!(stand.hear(&asks(target).frame()), wanted);
    assert_eq!(stand.hear(&asks(target).frame()), Reaction::None, "it is looked for already");
    assert_eq!(stand.settle(), []);
    // What failed before is asked for again; only time ends the wait.
    stand.table.set(stand.lan, ip("fd12:3456:789a:10::5"), NeighbourState::Failed).unwrap();
    assert_eq!(stand.settle(), []);
    stand.resolve(stand.lan, "fd12:3456:789a:10::5");
    assert_eq!(stand.settle().iter().map(|answer| answer.target).collect::<Vec<_>>(), [target]);
    assert!(!stand.proxy.is_waiting());
    assert_eq!(stand.counts(), [("answered", 1), ("repeated", 1)]);
}

#[test]
fn a_host_that_does_not_answer_is_not_answered_for() {
    let mut stand = Stand::new(Setting::Confirmed);
    let target = stand.image("fd12:3456:789a:10::5");
    assert!(matches!(stand.hear(&asks(target).frame()), Reaction::Resolve(..)));
    stand.now = stand.now.plus(Nanos(ND_WAIT_NANOS - 1));
    stand.settle();
    assert!(stand.proxy.is_waiting());
    stand.now = stand.now.plus(Nanos(1));
    assert_eq!(stand.settle(), []);
    assert!(!stand.proxy.is_waiting());
    assert_eq!(stand.counts(), [("no-host", 1)]);
}

#[test]
fn behind_an_inner_router_the_router_is_asked_for() {
    let mut stand = Stand::new(Setting::Confirmed);
    let target = stand.image("fd12:3456:789a:20::5");
    let router = "fd12:3456:789a:10::99";
    assert_eq!(stand.hear(&asks(target).frame()), Reaction::Resolve(stand.lan, ip(router)));
    stand.resolve(stand.lan, router);
    assert_eq!(stand.settle().len(), 1);
}

#[test]
fn static_answers_are_given_without_asking() {
    let mut stand = Stand::new(Setting::Static);
    let target = stand.image("fd12:3456:789a:10::5");
    assert_eq!(stand.answer(&asks(target)).target, target);
}

#[test]
fn nobody_elses_address_is_answered_for() {
    for setting in [Setting::Confirmed, Setting::Static] {
        let mut stand = Stand::new(setting);
        // The gateway's inside address is what this own image would lead to.
        let gateway = stand.image("fd12:3456:789a:10::1");
        // Somebody on the ISP's link has what a host's image would be.
        let taken = stand.image("fd12:3456:789a:10::7");
        stand.resolve(stand.wan, &taken.to_string());
        let targets = [
            ip("fe80::a"),
            ip("fe80::2"),
            ip("2001:db8:a:77ab::2"),
            ip("2001:db8:a:77ab::"),
            ip("2001:db8:a:77ad::5"),
            ip("2001:db8:b:10::5"),
            ip("fd12:3456:789a:10::5"),
            gateway,
            taken,
        ];
        for target in targets {
            assert_eq!(stand.hear(&asks(target).frame()), Reaction::None, "{target}");
        }
        assert_eq!(stand.counts(), [("not-proxied", targets.len() as u64)]);
        assert!(!stand.table.take_used(stand.wan, taken), "a scan keeps nobody fresh on the ISP's link");
    }
}

#[test]
fn the_gateways_own_questions_are_not_answered() {
    let mut stand = Stand::new(Setting::Static);
    let target = stand.image("fd12:3456:789a:10::5");
    for own in ["fe80::2", "2001:db8:a:77ab::2"] {
        let solicitation = Solicitation::multicast(OUR_MAC, ip(own), target);
        assert_eq!(stand.hear(&solicitation.frame()), Reaction::None, "{own}");
    }
}

#[test]
fn a_scan_is_bounded_and_known_hosts_are_answered_for_meanwhile() {
    let mut stand = Stand::new(Setting::Confirmed);
    stand.resolve(stand.lan, "fd12:3456:789a:10::5");
    let known = stand.image("fd12:3456:789a:10::5");
    let (mut asked, mut answered) = (0, 0);
    for n in 0..10_000u16 {
        let target = stand.image(&format!("fd12:3456:789a:10::1:{n:x}"));
        asked += u64::from(matches!(stand.hear(&asks(target).frame()), Reaction::Resolve(..)));
        if n % 100 == 0 {
            answered += u64::from(matches!(stand.hear(&asks(known).frame()), Reaction::Send(_)));
        }
    }
    assert_eq!((asked, answered), (ND_ASK_BURST, 100));
    // However long it goes on.
    for n in 0..60_000u32 {
        stand.now = stand.now.plus(Nanos::from_millis(1));
        let target = stand.image(&format!("fd12:3456:789a:10::2:{:x}", n % 0xffff));
        asked += u64::from(matches!(stand.hear(&asks(target).frame()), Reaction::Resolve(..)));
        assert!(stand.proxy.waiting.len() <= ND_WAITING);
        if n % 10 == 0 {
            stand.settle();
        }
    }
    assert!((ND_ASK_BURST + 1195..=ND_ASK_BURST + 1205).contains(&asked), "{asked} hosts looked for in a minute");
}

#[test]
fn answers_are_bounded() {
    for (setting, burst) in [(Setting::Confirmed, ND_ANSWER_BURST), (Setting::Static, ND_UNCONFIRMED_BURST)] {
        let mut stand = Stand::new(setting);
        let hosts: Vec<String> = (0..1000).map(|n| format!("fd12:3456:789a:10::1:{n:x}")).collect();
        let scan = |stand: &mut Stand| -> u64 {
            let targets: Vec<_> = hosts.iter().map(|host| stand.image(host)).collect();
            let frames = targets.into_iter().map(|target| asks(target).frame());
            frames.map(|frame| u64::from(matches!(stand.hear(&frame), Reaction::Send(_)))).sum()
        };
        if setting == Setting::Confirmed {
            hosts.iter().for_each(|host| stand.resolve(stand.lan, host));
        }
        assert_eq!(scan(&mut stand), burst);
        stand.now = stand.now.plus(Nanos(10 * SECOND));
        assert_eq!(scan(&mut stand), burst, "the bucket holds no more than a burst");
        // Unknown addresses do not use up what is for the known.
        stand.resolve(stand.lan, "fd12:3456:789a:10::5");
        stand.now = stand.now.plus(Nanos(SECOND / 10));
        let known = stand.image("fd12:3456:789a:10::5");
        stand.answer(&asks(known));
    }
}

#[test]
fn the_groups_of_known_hosts_are_joined() {
    let stand = Stand::new(Setting::Confirmed);
    stand.resolve(stand.lan, "fd12:3456:789a:10::5");
    stand.resolve(stand.lan, "fe80::5");
    stand.resolve(stand.wan, "fe80::a");
    let picture = Picture { snapshot: &stand.generation.snapshot, neighbours: &stand.table };
    let group = solicitation::solicited_node(stand.image("fd12:3456:789a:10::5"));
    let probes = stand.generation.snapshot.uplinks.iter().find_map(|uplink| uplink.probe).unwrap();
    let probes = solicitation::solicited_node(probes.image);
    assert_eq!(stand.proxy.groups(picture), [group, probes].into());
}
