//! Control against a real kernel: its picture, next hops, neighbours, and the host's rules.
//!
//! Needs root and makes network namespaces of its own; `SIXWAYS_SKIP_LAB=1` skips it.

mod ids;
mod lab;
mod ra;

use std::net::Ipv6Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use lab::{config, eventually, in_lab};
use sixways::control::Control;
use sixways::control::config::NextHop;
use sixways::control::host_rules;
use sixways::control::kernel::KernelState;
use sixways::control::mirror::Mirror;
use sixways::control::netlink::Netlink;
use sixways::limits::HELD_NANOS;
use sixways::snapshot::NeighbourState;
use sixways::units::EdgeId;

fn ip(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

fn has_address(state: &KernelState, address: &str) -> bool {
    state.addresses.iter().any(|own| own.address == ip(address))
}

fn has_route(state: &KernelState, prefix: &str) -> bool {
    state.routes.iter().any(|route| route.table == 254 && route.prefix.to_string() == prefix)
}

/// The picture without what changes by itself.
fn steady(state: &KernelState) -> KernelState {
    KernelState { neighbours: Default::default(), ..state.clone() }
}

#[test]
fn the_picture_follows_the_kernel() {
    in_lab(|lab| async move {
        let mirror = Mirror::start().await.expect("the kernel answers");
        let state = || mirror.state();
        assert!(has_address(&state(), "fd12:3456:789a:10::1"));
        assert!(state().link("wan0").is_some_and(|link| link.is_usable() && link.kind == "veth" && link.mtu == 1500));
        assert!(state().link("lo").is_some_and(|link| link.loopback));

        lab.ip("gw", "addr add 2001:db8:a:1::1/64 dev lan0");
        eventually("a new address and its route", || {
            has_address(&state(), "2001:db8:a:1::1") && has_route(&state(), "2001:db8:a:1::/64")
        })
        .await;
        lab.ip("gw", "addr del 2001:db8:a:1::1/64 dev lan0");
        eventually("the address gone, and its route", || {
            !has_address(&state(), "2001:db8:a:1::1") && !has_route(&state(), "2001:db8:a:1::/64")
        })
        .await;

        lab.ip("gw", "route add 2001:db8:77::/48 nexthop via fe80::a dev wan0 nexthop via fe80::b dev wan1");
        lab.ip("gw", "route add unreachable fd12:3456:789a::/48 metric 4096");
        eventually("a multipath route and an unreachable one", || {
            let state = state();
            let multipath = state.routes.iter().find(|route| route.prefix.to_string() == "2001:db8:77::/48");
            multipath.is_some_and(|route| route.hops.len() == 2) && has_route(&state, "fd12:3456:789a::/48")
        })
        .await;
        lab.ip("gw", "route del 2001:db8:77::/48 via fe80::a dev wan0");
        eventually("one way fewer", || {
            let state = state();
            let left = state.routes.iter().find(|route| route.prefix.to_string() == "2001:db8:77::/48");
            left.is_some_and(|route| route.hops.len() == 1 && route.hops[0].gateway == Some(ip("fe80::b")))
        })
        .await;

        lab.ip("gw", "link set wan1 mtu 1400");
        eventually("an MTU", || state().link("wan1").is_some_and(|link| link.mtu == 1400)).await;
        lab.ip("ispb", "link set eth0 down");
        eventually("no carrier", || state().link("wan1").is_some_and(|link| link.admin_up && !link.carrier)).await;
        lab.ip("ispb", "link set eth0 up");
        eventually("a carrier", || state().link("wan1").is_some_and(|link| link.is_usable())).await;
        lab.ip("gw", "link set wan1 down");
        eventually("a link that is down, without routes", || {
            let state = state();
            state.link("wan1").is_some_and(|link| !link.admin_up) && !has_route(&state, "2001:db8:77::/48")
        })
        .await;

        let before = state().link("wan0").expect("wan0").ifindex;
        lab.ip("gw", "link del wan0");
        eventually("no device", || state().link("wan0").is_none() && !has_route(&state(), "2001:db8:fa::/64")).await;
        lab.cable("wan0", "ispa");
        eventually("the device anew", || state().link("wan0").is_some_and(|link| link.is_usable())).await;
        assert_ne!(state().link("wan0").expect("wan0").ifindex, before);
        same_as_the_kernel(&mirror).await;
    });
}

async fn same_as_the_kernel(mirror: &Mirror) {
    let netlink = Netlink::open().expect("a socket");
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if steady(&mirror.state()) == steady(&netlink.dump().await.expect("a dump")) {
            return;
        }
    }
    assert_eq!(steady(&mirror.state()), steady(&netlink.dump().await.expect("a dump")));
}

#[test]
fn lost_events_are_made_up_for() {
    in_lab(|lab| async move {
        let mirror = Mirror::start().await.expect("the kernel answers");
        // Nobody reads the socket meanwhile: the runtime's only thread is busy here.
        let add: String = (0..8000).map(|n| format!("route add 2001:db8:{n:x}:1::/64 dev lan0\n")).collect();
        let del: String = (0..7990).map(|n| format!("route del 2001:db8:{n:x}:1::/64 dev lan0\n")).collect();
        lab.batch("gw", &add);
        lab.batch("gw", &del);
        lab.batch("gw", "neigh add fd12:3456:789a:10::77 lladdr 02:00:00:00:00:77 dev lan0\n");
        let lan0 = mirror.state().link("lan0").expect("lan0").ifindex;
        eventually("the last routes and the neighbour", || {
            let state = mirror.state();
            has_route(&state, "2001:db8:1f3f:1::/64")
                && !has_route(&state, "2001:db8:10:1::/64")
                && state.neighbours.contains_key(&(lan0, ip("fd12:3456:789a:10::77")))
        })
        .await;
        same_as_the_kernel(&mirror).await;
    });
}

async fn start(state: &Path) -> Control {
    let mut control = Control::start(config(), state).await.expect("control starts");
    control.settle_ids(|_| ()).expect("ids are kept");
    control
}

fn hop(control: &mut Control, isp: &str) -> Option<Ipv6Addr> {
    let id = control.ids().uplink(isp).expect("an id");
    control.compile().expect("it compiles").snapshot.uplinks[id.index()].next_hop
}

/// Compiles whenever control says so, until the next hop is `expected`.
async fn wait_for_hop(control: &mut Control, isp: &str, expected: Option<&str>) {
    let expected = expected.map(ip);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while hop(control, isp) != expected {
        tokio::time::timeout_at(deadline, control.next_change())
            .await
            .unwrap_or_else(|_| panic!("{isp}: no next hop {expected:?}"))
            .expect("control goes on");
    }
}

#[test]
fn next_hops_come_from_routers_and_from_static_routes() {
    in_lab(|lab| async move {
        let dir = tempfile::tempdir().expect("a directory");
        let mut control = start(dir.path()).await;
        assert_eq!((hop(&mut control, "a"), hop(&mut control, "b")), (None, None));

        lab.ip("gw", "route add default via fe80::b dev wan1 metric 50");
        wait_for_hop(&mut control, "b", Some("fe80::b")).await;
        assert_eq!(hop(&mut control, "a"), None);

        // The router's own link-local address, whichever it sends from. It repeats itself.
        ra::advertise(&lab, "ispa", 1800, 0b00);
        for _ in 0..10 {
            if hop(&mut control, "a").is_some() {
                break;
            }
            let _ = tokio::time::timeout(Duration::from_secs(1), control.next_change()).await;
            ra::advertise(&lab, "ispa", 1800, 0b00);
        }
        let shown = lab.ip("gw", "route show default dev wan0");
        let router = hop(&mut control, "a").expect("a next hop");
        assert!(shown.contains(&format!("via {router} proto ra")), "{shown}");

        // A static route with a better metric does not beat a router that is preferred.
        lab.ip("gw", "route add default via 2001:db8:fa::1 dev wan0 metric 1");
        wait_for_hop(&mut control, "a", Some("2001:db8:fa::1")).await;
        ra::advertise(&lab, "ispa", 1800, 0b01);
        wait_for_hop(&mut control, "a", Some(&router.to_string())).await;
        ra::advertise(&lab, "ispa", 0, 0b01);
        wait_for_hop(&mut control, "a", Some("2001:db8:fa::1")).await;

        // A router that does not answer gives way to one that does, at the same preference.
        lab.ip("gw", "route replace default via 2001:db8:fa::dead dev wan0 metric 1");
        wait_for_hop(&mut control, "a", Some("2001:db8:fa::dead")).await;
        lab.ip("gw", "route add default via 2001:db8:fa::1 dev wan0 metric 9");
        wait_for_hop(&mut control, "a", Some("2001:db8:fa::1")).await;
    });
}

/// Does what the run loop does, until `condition` holds.
async fn compile_until(control: &mut Control, condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "not in ten seconds");
        if let Ok(change) = tokio::time::timeout(Duration::from_millis(50), control.next_change()).await {
            change.expect("control goes on");
            control.compile().expect("it compiles");
        }
    }
}

async fn shows(control: &Control, edge: EdgeId, address: &str, expected: impl Fn(NeighbourState) -> bool) {
    let table = control.neighbours();
    let address = ip(address);
    eventually(&format!("{address} as expected"), move || expected(table.lookup(edge, address))).await;
}

fn resolved(state: NeighbourState) -> bool {
    matches!(state, NeighbourState::Resolved(_))
}

#[test]
fn neighbours_are_resolved_on_want_and_kept_while_in_use() {
    in_lab(|lab| async move {
        let dir = tempfile::tempdir().expect("a directory");
        let mut control = start(dir.path()).await;
        control.compile().expect("it compiles");
        let lan = control.ids().edge("lan0").expect("an id");
        let host = "fd12:3456:789a:10::9";
        assert_eq!(control.neighbours().lookup(lan, ip(host)), NeighbourState::Unknown);
        let asked = Instant::now();
        control.wants().want(lan, ip(host));
        shows(&control, lan, host, resolved).await;
        // Less than the time for which a worker holds a frame.
        assert!(asked.elapsed() < Duration::from_nanos(HELD_NANOS), "{:?}", asked.elapsed());

        // The look that a worker takes is use enough for the kernel to be told.
        let managed = || lab.ip("gw", &format!("neigh show {host} dev lan0")).contains("managed");
        eventually("a managed entry", || {
            control.neighbours().lookup(lan, ip(host));
            managed()
        })
        .await;

        // A MAC change is followed.
        lab.ip("lan", "link set eth0 address 02:00:00:00:00:42");
        lab.sh("lan", &format!("ping -6 -n -c 1 -W 1 -I {host} fd12:3456:789a:10::1"));
        shows(&control, lan, host, |state| {
            state == NeighbourState::Resolved("02:00:00:00:00:42".parse().expect("a MAC"))
        })
        .await;

        // One that the kernel knows of its own is shown as well.
        lab.ip("gw", "neigh add fd12:3456:789a:10::77 lladdr 02:00:00:00:00:77 dev lan0 nud stale");
        shows(&control, lan, "fd12:3456:789a:10::77", resolved).await;
        lab.ip("gw", "neigh del fd12:3456:789a:10::77 dev lan0");
        shows(&control, lan, "fd12:3456:789a:10::77", |state| state == NeighbourState::Unknown).await;

        control.release().await.expect("released");
        eventually("no managed entry", || !managed()).await;
    });
}

#[test]
fn a_dead_neighbour_fails_and_is_asked_again_when_wanted_again() {
    in_lab(|lab| async move {
        let dir = tempfile::tempdir().expect("a directory");
        let mut control = start(dir.path()).await;
        control.compile().expect("it compiles");
        let lan = control.ids().edge("lan0").expect("an id");
        let host = "fd12:3456:789a:10::dead";
        control.wants().want(lan, ip(host));
        shows(&control, lan, host, |state| state == NeighbourState::Failed).await;
        lab.ip("lan", &format!("addr add {host}/64 dev eth0"));
        control.wants().want(lan, ip(host));
        shows(&control, lan, host, resolved).await;
    });
}

#[test]
fn next_hops_are_kept_and_come_back_with_the_carrier() {
    in_lab(|lab| async move {
        let dir = tempfile::tempdir().expect("a directory");
        let mut with_hops = config();
        with_hops.isps[0].next_hop = NextHop::Address(ip("fe80::a"));
        with_hops.isps[1].next_hop = NextHop::Address(ip("2001:db8:fb::1"));
        let mut control = Control::start(with_hops, dir.path()).await.expect("control starts");
        control.compile().expect("it compiles");
        let [a, b] = ["wan0", "wan1"].map(|interface| control.ids().edge(interface).expect("an id"));
        shows(&control, a, "fe80::a", resolved).await;
        shows(&control, b, "2001:db8:fb::1", resolved).await;
        let managed = || lab.ip("gw", "neigh show fe80::a dev wan0").contains("managed");
        assert!(managed(), "{}", lab.ip("gw", "neigh show"));

        lab.ip("gw", "neigh flush dev wan0");
        eventually("asked for again after a flush", managed).await;
        shows(&control, a, "fe80::a", resolved).await;

        lab.ip("ispa", "link set eth0 down");
        shows(&control, a, "fe80::a", |state| !resolved(state)).await;
        lab.ip("ispa", "link set eth0 up");
        lab.ip("ispa", "addr replace fe80::a/64 dev eth0");
        shows(&control, a, "fe80::a", resolved).await;

        lab.ip("gw", "link del wan0");
        shows(&control, a, "fe80::a", |state| state == NeighbourState::Unknown).await;
        lab.cable("wan0", "ispa");
        lab.ip("ispa", "addr replace fe80::a/64 dev eth0");
        shows(&control, a, "fe80::a", resolved).await;
    });
}

#[test]
fn the_hosts_answers_leave_by_the_isp_that_was_asked() {
    in_lab(|lab| async move {
        let dir = tempfile::tempdir().expect("a directory");
        lab.ip("gw", "route add default via fe80::a dev wan0 metric 10");
        lab.ip("gw", "route add default via fe80::b dev wan1 metric 20");
        let ask_b = || lab.pings("ispb", "2001:db8:f::b", "2001:db8:fb::2");
        let ask_a = || lab.pings("ispa", "2001:db8:f::a", "2001:db8:fa::2");
        assert!(ask_a() && !ask_b(), "without rules every answer goes to A");

        let mut control = start(dir.path()).await;
        control.compile().expect("it compiles");
        control.apply_host_rules().await.expect("installed");
        assert!(ask_a() && ask_b());
        // From an ISP's address, LAN hosts are still reached by the LAN.
        lab.ip("lan", "route add default via fd12:3456:789a:10::1");
        assert!(lab.pings("gw", "2001:db8:fb::2", "fd12:3456:789a:10::9"));

        // Somebody deletes it all, as systemd-networkd does when it restarts.
        let count =
            || lab.ip("gw", "rule show").lines().filter(|rule| rule.contains("3060") || rule.contains("30681")).count();
        let tables = || [30600, 30601].map(|table| lab.ip("gw", &format!("route show table {table}")).lines().count());
        let installed = count();
        assert!(installed >= 8, "{}", lab.ip("gw", "rule show"));
        while lab.try_sh("gw", "ip -6 rule del protocol 96").status.success() {}
        lab.ip("gw", "route flush table 30600");
        lab.ip("gw", "route flush table 30601");
        eventually("put back", || count() == installed && tables() == [1, 1]).await;
        assert!(ask_b());

        // Another router, and an address that comes and goes.
        lab.ip("ispb", "addr add fe80::bb/64 dev eth0");
        lab.ip("gw", "route replace default via fe80::bb dev wan1 metric 20");
        lab.ip("gw", "addr add 2001:db8:fb::3/64 dev wan1");
        compile_until(&mut control, || {
            lab.ip("gw", "rule show").contains("2001:db8:fb::3")
                && lab.ip("gw", "route show table 30601").contains("fe80::bb")
        })
        .await;
        assert!(lab.pings("ispb", "2001:db8:f::b", "2001:db8:fb::3"));
        lab.ip("gw", "addr del 2001:db8:fb::3/64 dev wan1");
        compile_until(&mut control, || count() == installed).await;

        // A killed gateway leaves them; whoever comes next knows them for ours, and no others.
        drop(control);
        lab.ip("gw", "rule add from 2001:db8:fb::9 lookup 77 priority 30601");
        lab.ip("gw", "route add default via fe80::b dev wan1 table 30601 metric 5000");
        let netlink = Netlink::open().expect("a socket");
        host_rules::remove_all(&netlink).await.expect("removed");
        assert!(!lab.ip("gw", "rule show").contains("lookup 3060"));
        assert_eq!(count(), 1, "the stranger's rule stays: {}", lab.ip("gw", "rule show"));
        assert_eq!(tables(), [0, 1], "the stranger's route stays");
        assert!(!ask_b());
        host_rules::remove_all(&netlink).await.expect("nothing left to remove");
    });
}
