//! A DHCPv6 server (Kea) at ISP B that delegates prefixes, and clients (dhcpcd, systemd-networkd) beside the
//! gateway. All are Debian's, unpacked by `scripts/deps` where they are not installed: nothing of them is
//! started but here, and what they write stays in the lab.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::lab::Lab;
use crate::lab::process::{Daemon, run};

const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/dhcpv6");
const HOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/hooks/dhcpcd");

/// The ISP's server.
pub struct Server<'lab> {
    lab: &'lab Lab,
    daemon: Daemon,
}

impl<'lab> Server<'lab> {
    /// Starts it; it delegates `prefix`, a /52.
    pub fn start(lab: &'lab Lab, prefix: &str) -> Self {
        write_config(lab, prefix);
        let (kea, config) = (tool("usr/sbin/kea-dhcp6"), lab.dir.join("kea.json"));
        let mut command = apart(lab, "ispb", "/var/lib/kea", &format!("{kea} -c {}", config.display()));
        command.env("LD_LIBRARY_PATH", tool("usr/lib/x86_64-linux-gnu"));
        command.env("KEA_PIDFILE_DIR", &lab.dir).env("KEA_LOCKFILE_DIR", &lab.dir);
        Self { lab, daemon: Daemon::start(&mut command, &lab.dir.join("kea.log")) }
    }

    /// From the client's next renewal on it delegates `prefix`, and the former one no more.
    pub fn delegate(&self, prefix: &str) {
        write_config(self.lab, prefix);
        run(Command::new("kill").args(["-s", "HUP", &self.daemon.pid().to_string()]), Duration::from_secs(20));
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.daemon.output()
    }
}

fn tool(path: &str) -> String {
    let path = format!("{TOOLS}/{path}");
    assert!(Path::new(&path).exists(), "{path} is missing: run scripts/deps");
    path
}

/// Leases are renewed after two seconds.
fn write_config(lab: &Lab, prefix: &str) {
    let (address, _) = prefix.split_once('/').expect("a prefix");
    let config = format!(
        r#"{{ "Dhcp6": {{
            "interfaces-config": {{ "interfaces": ["cust"] }},
            "lease-database": {{ "type": "memfile", "persist": false }},
            "renew-timer": 2, "rebind-timer": 4, "preferred-lifetime": 30, "valid-lifetime": 40,
            "subnet6": [{{
                "subnet": "2001:db8:b::/64", "interface": "cust",
                "pd-pools": [{{ "prefix": "{address}", "prefix-len": 52, "delegated-len": 52 }}]
            }}],
            "loggers": [{{ "name": "kea-dhcp6", "severity": "INFO", "output_options": [{{ "output": "stdout" }}] }}]
        }} }}"#
    );
    fs::write(lab.dir.join("kea.json"), config).expect("a configuration");
}

/// The client at `wan1`, with the hook that writes `wan1.prefix` into the lab's directory.
pub fn client(lab: &Lab) -> Daemon {
    let (config, script) = (lab.dir.join("dhcpcd.conf"), lab.dir.join("dhcpcd-script"));
    fs::write(&config, "duid\nipv6only\nnoipv6rs\ninterface wan1\nia_pd 1 -\n").expect("a configuration");
    let hook = format!("#!/bin/sh\nexport SIXWAYS_RUN={}\n. {HOOK}\n", lab.dir.display());
    fs::write(&script, hook).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("may be run");
    let line = format!("{} -B -d -f {} -c {} wan1", tool("usr/sbin/dhcpcd"), config.display(), script.display());
    let mut command = apart(lab, "gw", "/run/dhcpcd /var/lib/dhcpcd", &line);
    Daemon::start(&mut command, &lab.dir.join("dhcpcd.log"))
}

const NETWORK: &str = "\
[Match]
Name=wan1
[Network]
DHCP=ipv6
IPv6AcceptRA=no
DHCPPrefixDelegation=yes
KeepConfiguration=yes
[DHCPv6]
WithoutRA=solicit
UseAddress=no
[DHCPPrefixDelegation]
UplinkInterface=:self
Announce=no
";
/// What is not its own is the kernel's and the gateway's.
const NETWORKD: &str = "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n";

/// systemd-networkd, which gives `wan1` an address out of the delegation. It needs neither D-Bus nor udev: it
/// does not wait for udev where /sys is read-only. It runs as a user whom this machine need not have.
pub fn networkd(lab: &Lab) -> Daemon {
    for (name, text) in [
        ("wan1.network", NETWORK),
        ("networkd.conf", NETWORKD),
        ("passwd", "root:x:0:0::/root:/bin/sh\nsystemd-network:x:998:998::/:/usr/sbin/nologin\n"),
    ] {
        fs::write(lab.dir.join(name), text).expect("a configuration");
    }
    let installed = "/lib/systemd/systemd-networkd";
    let program =
        if Path::new(installed).exists() { installed.to_owned() } else { tool("lib/systemd/systemd-networkd") };
    let dir = lab.dir.display();
    let line = format!(
        "mount -o remount,bind,ro /sys && mount --bind {dir}/passwd /etc/passwd && \
         cp {dir}/wan1.network /run/systemd/network && cp {dir}/networkd.conf /run/systemd/networkd.conf.d && \
         chown 998:998 /run/systemd/netif && exec {program}"
    );
    let own = "-p /run/systemd/network /run/systemd/networkd.conf.d /run/systemd/netif";
    let mut command = apart(lab, "gw", own, &format!("sh -c '{line}'"));
    command
        .env("LD_LIBRARY_PATH", tool("usr/lib/x86_64-linux-gnu") + ":" + TOOLS + "/usr/lib/x86_64-linux-gnu/systemd");
    Daemon::start(&mut command, &lab.dir.join("networkd.log"))
}

/// Runs the hook for networkd-dispatcher as that would for `wan1`; it writes `wan1.prefix` into the lab's directory.
pub fn dispatch(lab: &Lab) {
    let mut command = lab.command("gw", "sh");
    let hook = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/hooks/networkd-dispatcher");
    command.arg(hook).env("SIXWAYS_RUN", &lab.dir).env("IFACE", "wan1").env("STATE", "configured");
    run(&mut command, Duration::from_secs(20));
}

/// `line` in the namespace of `role`, with the directories `own` below a /run and a /var/lib of its own. The
/// mounts are those of the mount namespace that `ip netns exec` makes.
fn apart(lab: &Lab, role: &str, own: &str, line: &str) -> Command {
    let mut command = lab.command(role, "sh");
    let mounts = format!("mount -t tmpfs none /run && mount -t tmpfs none /var/lib && mkdir {own} && exec {line}");
    command.args(["-c", &mounts]);
    command
}
