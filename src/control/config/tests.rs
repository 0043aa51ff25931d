use std::path::Path;

use super::*;
use crate::units::Nanos;

const MINIMAL: &str = include_str!("../../../configs/minimal.toml");

#[test]
fn the_sample_of_twelve_lines_means_what_it_says() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config.site.internal, ["fd12:3456:789a::/48".parse().unwrap()]);
    assert!(!config.site.accept_any_uplink);
    assert_eq!((config.site.failback, config.site.all_down), (Failback::NewFlows, AllDown::KeepBest));
    assert_eq!(config.lans, [Lan { interface: "lan0".to_owned(), vlan: None }]);
    let [fiber, cable] = &config.isps[..] else { panic!("two ISPs") };
    let internal = config.site.internal[0];
    let fiber_meant = Isp {
        name: "fiber".to_owned(),
        interface: "wan0".to_owned(),
        vlan: None,
        mappings: vec![Mapping::new(internal, "2001:db8:1::/48".parse().unwrap()).unwrap()],
        former: Vec::new(),
        source: None,
        next_hop: NextHop::Address("fe80::1".parse().unwrap()),
        weight: 3,
        tier: 1,
        mtu: None,
        mss_clamp: MssClamp::Auto,
        nd_proxy: NdProxy::Off,
        metered: None,
        health: Health::default(),
        probes: DEFAULT_TARGETS.map(Probe::ping).into(),
    };
    assert_eq!(*fiber, fiber_meant);
    assert_eq!((cable.next_hop, cable.weight), (NextHop::Auto, 1));
    let dataplane = Dataplane {
        mode: Mode::Auto,
        queues: None,
        cores: None,
        batch: 64,
        rx_ring: 2048,
        tx_ring: 2048,
        fill_ring: 2048,
        completion_ring: 2048,
        frames: None,
        frame_size: 2048,
        idle: Idle::Adaptive,
        stamp_every: 64,
    };
    assert_eq!(config.dataplane, dataplane);
    let minutes = |minutes: u64| Nanos::from_millis(minutes * 60_000);
    let flows = Flows {
        capacity: 1_000_000,
        tcp_established: minutes(124),
        tcp_transitory: minutes(4),
        udp: minutes(5),
        icmpv6: minutes(1),
        other: minutes(5),
        reset_on_failover: false,
    };
    assert_eq!(config.flows, flows);
    let default = Policy { name: "default".to_owned(), isps: None, hash: HashFields::SourceAndDestination };
    assert_eq!((config.policies, config.rules), (vec![default], Vec::new()));
    assert_eq!(
        config.filter,
        Filter { inbound: Inbound::Established, scope: Scope::Flow, bogons: true, allow: Box::default() }
    );
    assert_eq!(config.host, Host { rules: true, steer: false, on_stop: OnStop::Block, reload_on_save: true });
    assert_eq!(config.metrics.listen, Some("[::1]:9636".parse().unwrap()));
}

#[test]
fn a_file_that_is_not_there_is_an_error_with_its_name() {
    let errors = load(Path::new("/nonexistent/sixways.toml")).unwrap_err();
    assert!(errors.to_string().contains("/nonexistent/sixways.toml"), "{errors}");
}

/// The sample with some lines exchanged.
fn changed(changes: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let text = changes.iter().fold(MINIMAL.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    parse(&text)
}

fn problems(result: Result<Config, ConfigErrors>) -> Vec<Problem> {
    result.unwrap_err().errors().iter().map(|error| error.problem.clone()).collect()
}

#[test]
fn an_identity_pair_may_be_the_site_or_a_part_of_it() {
    let whole = changed(&[("fd12:3456:789a::/48", "2001:db8:1::/48")]).unwrap();
    assert!(whole.isps[0].mappings[0].is_identity() && !whole.isps[1].mappings[0].is_identity());
    let pair = "mappings = [{ internal = \"2001:db8:1:10::/64\", external = \"2001:db8:1:10::/64\" }]";
    let part = changed(&[("fd12:3456:789a::/48", "2001:db8:1::/48"), ("prefix = \"2001:db8:1::/48\"", pair)]).unwrap();
    assert!(part.isps[0].mappings[0].is_identity());
}

#[test]
fn an_on_link_router_inside_its_own_isps_prefix_is_taken() {
    let config = changed(&[("fe80::1", "2001:db8:1::1")]).unwrap();
    assert_eq!(config.isps[0].next_hop, NextHop::Address("2001:db8:1::1".parse().unwrap()));
}

#[test]
fn the_completion_ring_follows_the_transmit_ring_unless_it_is_written() {
    let with = |lines: &str| parse(&format!("{MINIMAL}\n[dataplane]\n{lines}"));
    assert_eq!(with("tx_ring = 8192").unwrap().dataplane.completion_ring, 8192);
    assert_eq!(with("tx_ring = 512").unwrap().dataplane.completion_ring, 2048);
    assert_eq!(with("tx_ring = 512\ncompletion_ring = 1024").unwrap().dataplane.completion_ring, 1024);
    let refused = problems(with("tx_ring = 2048\ncompletion_ring = 1024"));
    assert_eq!(refused, [Problem::CompletionRing { completion: 1024, transmit: 2048 }]);
}

#[test]
fn the_largest_mtu_fills_the_frame() {
    let fits = |mtu: u64, frame_size: u64| {
        parse(&format!("{MINIMAL}mtu = {mtu}\n[dataplane]\nframe_size = {frame_size}")).is_ok()
    };
    assert!(fits(1280, 2048) && fits(1758, 2048) && fits(3806, 4096));
    assert!(!fits(1279, 2048) && !fits(1759, 2048) && !fits(3807, 4096));
}

#[test]
fn in_a_lab_addresses_that_nobody_has_pass() {
    let passes = |from: &str, to: &str, setting: &str| {
        let text = MINIMAL.replace("2001:db8:1:", "2a00:1:1:").replace("2001:db8:2:", "2a00:1:2:").replace(from, to);
        parse(&format!("{text}\n[filter]\n{setting}")).unwrap().filter.bogons
    };
    assert!(!passes("", "", ""));
    assert!(passes("2a00:1:2:", "2001:db8:2:", ""), "the prefix of one ISP says that it is a lab");
    assert!(passes("fd12:3456:789a:", "3fff:1:2:", ""), "and so does that of the site");
    assert!(!passes("2a00:1:2:", "2001:db8:2:", "bogons = \"drop\""));
    assert!(passes("", "", "bogons = \"pass\""));
}

#[test]
fn more_pairs_than_ids_are_refused() {
    let pairs = |count: u32| {
        let pair = |n| format!("{{ internal = \"fd12:3456:789a:{n:x}::/64\", external = \"2001:db8:1:{n:x}::/64\" }}");
        let pairs: Vec<String> = (0..count).map(pair).collect();
        changed(&[("prefix = \"2001:db8:1::/48\"", &format!("mappings = [{}]", pairs.join(", ")))])
    };
    assert_eq!(pairs(255).unwrap().isps[0].mappings.len(), 255);
    // The other ISP has one.
    assert_eq!(problems(pairs(256)), [Problem::TooManyMappings { found: 257 }]);
}

#[test]
fn nothing_is_read_of_a_file_that_nests_without_end() {
    let text = format!("{MINIMAL}x = {}", "[".repeat(100_000));
    assert!(problems(parse(&text)).iter().all(|problem| matches!(problem, Problem::Syntax(_))));
}

#[test]
fn everything_that_is_planned_is_refused_by_name() {
    for section in schema::SECTIONS {
        for name in section.planned {
            let line = format!("{name} = 1\n");
            let text = match section.header {
                "" => format!("{line}{MINIMAL}"),
                "[site]" => MINIMAL.replace("[site]\n", &format!("[site]\n{line}")),
                "[[lan]]" => MINIMAL.replace("[[lan]]\n", &format!("[[lan]]\n{line}")),
                "[[isp]]" => format!("{MINIMAL}{line}"),
                "[policy.NAME]" => format!("{MINIMAL}\n[policy.voice]\n{line}"),
                header => format!("{MINIMAL}\n{header}\n{line}"),
            };
            assert_eq!(problems(parse(&text)), [Problem::Planned((*name).to_owned())], "{}", section.header);
        }
    }
}

#[test]
fn probes_and_health_mean_what_they_say() {
    let lines = "\
probes = [
    { type = \"icmp\", to = [\"2606:4700:4700::1111\", \"2620:fe::fe\"], every = \"250ms\", max_loss = \"20%\", max_rtt = \"80ms\" },
    { type = \"tcp\", to = \"[2620:fe::9]:443\", timeout = \"2s\" },
    { type = \"dns\", to = [\"2620:fe::9\", \"[2620:fe::9]:5353\"], name = \"www.example.com\" },
    { type = \"dns\", to = \"2620:fe::fe\" },
]
health = { need = 2, hold_down = \"10m\", silence = \"50ms\" }
";
    let config = parse(&format!("{MINIMAL}{lines}")).unwrap();
    let [fiber, cable] = &config.isps[..] else { panic!("two ISPs") };
    assert_eq!(fiber.probes, DEFAULT_TARGETS.map(Probe::ping));
    let names: Vec<String> = cable.probes.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "icmp:2606:4700:4700::1111",
            "icmp:2620:fe::fe",
            "tcp:[2620:fe::9]:443",
            "dns:2620:fe::9",
            "dns:[2620:fe::9]:5353",
            "dns:2620:fe::fe"
        ]
    );
    let ms = Nanos::from_millis;
    let first = Probe { every: ms(250), max_loss: Some(20), max_rtt: Some(ms(80)), ..Probe::ping(DEFAULT_TARGETS[0]) };
    assert_eq!(cable.probes[0], first);
    assert_eq!((cable.probes[2].every, cable.probes[2].timeout, cable.probes[2].max_rtt), (ms(1000), ms(2000), None));
    assert_eq!(cable.probes[4].kind, ProbeKind::Dns(5353, "www.example.com".to_owned()));
    assert_eq!(cable.probes[5].kind, ProbeKind::Dns(53, ".".to_owned()));
    let health = Health {
        need: 2,
        hold_down: ms(600_000),
        // The default is shorter.
        backoff_max: ms(600_000),
        silence: ms(50),
        ..Health::default()
    };
    assert_eq!(cable.health, health);
    assert_eq!(changed(&[("weight = 3", "probes = []")]).unwrap().isps[0].probes, []);
}
