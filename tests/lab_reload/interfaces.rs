//! Interfaces that the configuration loses and gets back.

use std::time::Duration;

use crate::flows::survive;
use crate::lab::gateway::Gateway;
use crate::lab::process::eventually;
use crate::lab::traffic::{SOME, Server, ping};
use crate::lab::{ISP_A, ISP_B, Lab, SERVER};
use crate::lab_config;

/// Echo requests of the host that stays with ISP A, a hundred a second.
const ECHOES: u32 = 600;

/// ISP B and its interface go, and come back, several times. ISP A's flows do not notice: not one echo is missing.
#[track_caller]
pub fn isp_goes_and_comes(lab: &Lab, gateway: &Gateway<'_>, server: &mut Server) {
    let stays = r#"
[[rule]]
name = "stays"
match = { proto = "icmpv6" }
isps = ["fiber"]
"#;
    let with = lab_config() + stays;
    let block = with.find("[[isp]]\nname = \"cable\"").expect("ISP B's block");
    let after = with.find("[filter]").expect("what follows it");
    let without = format!("{}{}", &with[..block], &with[after..]);
    gateway.configure(&with);
    gateway.ask(&["reload"]);
    let log = gateway.log().len();
    survive(lab, &[ISP_A], || {
        let answered = std::thread::scope(|scope| {
            let echoes = scope.spawn(|| ping(lab, "h10", SERVER, ECHOES, 10));
            for _ in 0..3 {
                gateway.configure(&without);
                let said = gateway.ask(&["reload"]);
                assert!(said.contains("[[isp]] \"cable\": removed"), "{said}");
                assert!(!lab.sh("gw", "ip link show wan1").contains("xdp"), "the gate is still there");
                all_answer(lab, server, &[ISP_A]);
                gateway.configure(&with);
                gateway.ask(&["reload"]);
                assert!(lab.sh("gw", "ip link show wan1").contains("xdp"), "no gate");
                all_answer(lab, server, &[ISP_A, ISP_B]);
            }
            echoes.join().expect("ping ran")
        });
        assert_eq!(answered, ECHOES, "echoes by the ISP that stays");
    });
    let log = gateway.log()[log..].to_owned();
    assert_eq!(log.matches("opened, while the others go on").count(), 3, "{log}");
    assert!(!log.contains("binding the sockets again"), "{log}");
    gateway.configure(&lab_config());
    gateway.ask(&["reload"]);
}

/// A network that only the kernel knew becomes a LAN, and is one no longer.
pub fn lan_comes_and_goes(lab: &Lab, gateway: &Gateway<'_>) {
    const HOST: &str = "fd12:3456:789a:30::2";
    lab.sh("gw", "ip addr add fd12:3456:789a:30::1/64 dev wg0 nodad");
    lab.sh("vpn", &format!("ip addr add {HOST}/64 dev wg0 nodad"));
    let reaches = || lab.try_sh("vpn", &format!("ping -n -c 1 -W 1 -I {HOST} {SERVER}")).is_some();
    assert!(!reaches(), "the gateway's kernel sends it on");
    gateway.configure(&with_lan());
    let said = gateway.ask(&["reload"]);
    assert!(said.contains("[[lan]] \"wg0\": added"), "{said}");
    assert!(lab.sh("gw", "ip link show wg0").contains("xdp"), "no gate");
    eventually("a host of the new LAN reaches the server", Duration::from_secs(20), reaches);
    gateway.configure(&lab_config());
    gateway.ask(&["reload"]);
    assert!(!lab.sh("gw", "ip link show wg0").contains("xdp"), "the gate is still there");
    assert!(!reaches(), "it is no LAN any more");
    lab.sh("gw", "ip addr del fd12:3456:789a:30::1/64 dev wg0");
    lab.sh("vpn", &format!("ip addr del {HOST}/64 dev wg0"));
}

/// A new LAN that cannot be kept, since the disk refuses its id, leaves nothing open.
pub fn lan_in_vain(lab: &Lab, gateway: &Gateway<'_>) {
    let ids = lab.dir.join("state/ids.json");
    let aside = lab.dir.join("ids.json");
    let before = gateway.descriptors();
    std::fs::rename(&ids, &aside).expect("moved away");
    std::fs::create_dir(&ids).expect("in its place");
    gateway.configure(&with_lan());
    let said = gateway.try_ask(&["reload"]).expect_err("it is refused");
    std::fs::remove_dir(&ids).expect("it is empty");
    std::fs::rename(&aside, &ids).expect("moved back");
    assert!(said.contains("ids.json"), "{said}");
    assert!(!lab.sh("gw", "ip link show wg0").contains("xdp"), "the gate is still there");
    eventually("all sockets are closed", Duration::from_secs(5), || gateway.descriptors() <= before);
    gateway.configure(&lab_config());
    let said = gateway.ask(&["reload"]);
    assert!(said.contains("nothing differs"), "{said}");
}

fn with_lan() -> String {
    let isp = "[[isp]]\nname = \"fiber\"";
    lab_config().replace(isp, &format!("[[lan]]\ninterface = \"wg0\"\n\n{isp}"))
}

/// Waits until every pair answers, and the server sees those ISPs.
#[track_caller]
fn all_answer(lab: &Lab, server: &mut Server, isps: &[&str]) {
    eventually("all pairs answer", Duration::from_secs(20), || {
        server.reset();
        let burst = SOME.run(lab);
        let seen = server.report();
        burst.answered == burst.pairs && isps.iter().all(|isp| seen.contains_key(*isp))
    });
}
