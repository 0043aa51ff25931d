use std::path::Path;

use super::*;

const MINIMAL: &str = include_str!("../../../configs/minimal.toml");

#[test]
fn the_sample_of_twelve_lines_means_what_it_says() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config.site.internal, ["fd12:3456:789a::/48".parse().unwrap()]);
    assert!(!config.site.accept_any_uplink);
    assert_eq!(config.lans, [Lan { interface: "lan0".to_owned() }]);
    let [fiber, cable] = &config.isps[..] else { panic!("two ISPs") };
    let internal = config.site.internal[0];
    let fiber_meant = Isp {
        name: "fiber".to_owned(),
        interface: "wan0".to_owned(),
        mappings: vec![Mapping::new(internal, "2001:db8:1::/48".parse().unwrap()).unwrap()],
        next_hop: NextHop::Address("fe80::1".parse().unwrap()),
        weight: 3,
        mtu: None,
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
    assert_eq!(config.host, Host { rules: true, on_stop: OnStop::Block });
    assert_eq!(config.metrics.listen, Some("[::1]:9636".parse().unwrap()));
}

#[test]
fn a_file_that_is_not_there_is_an_error_with_its_name() {
    let errors = load(Path::new("/nonexistent/sixways.toml")).unwrap_err();
    assert!(errors.to_string().contains("/nonexistent/sixways.toml"), "{errors}");
}
