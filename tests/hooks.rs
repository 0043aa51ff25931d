//! `scripts/hooks/`: DHCPv6-PD clients' variables become the file that the gateway reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Stand {
    dir: tempfile::TempDir,
}

impl Stand {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// Runs a hook in a POSIX shell, with nothing in its environment but `variables`.
    fn run(&self, hook: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new("/bin/sh");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/hooks").join(hook)).args(arguments);
        command.env_clear().env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.dir.path().display()));
        command.env("SIXWAYS_RUN", self.dir.path().join("run")).envs(variables.iter().copied());
        command.output().unwrap()
    }

    #[track_caller]
    fn runs(&self, hook: &str, arguments: &[&str], variables: &[(&str, &str)]) {
        let output = self.run(hook, arguments, variables);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }

    /// What the gateway would read, and that nothing is left beside it.
    fn file(&self) -> Option<String> {
        let path: PathBuf = self.dir.path().join("run");
        let names: Vec<_> = fs::read_dir(&path).into_iter().flatten().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| name == "wan1.prefix"), "{names:?}");
        let text = fs::read_to_string(path.join("wan1.prefix")).ok()?;
        // The gateway's own reader says the same.
        let config = self.dir.path().join("sixways.toml");
        let source = format!("{{ file = \"{}\" }}", path.join("wan1.prefix").display());
        fs::write(&config, include_str!("../configs/minimal.toml").replace("\"2001:db8:2::/48\"", &source)).unwrap();
        let state = self.dir.path().join("state");
        let mut check = assert_cmd::Command::cargo_bin("sixways").unwrap();
        let output = check.arg("check").arg(&config).arg("--state").arg(state).arg("--json").output().unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let seen = &report["isps"][1]["source"];
        assert_eq!(seen["prefix"].as_str().unwrap_or_default(), text.trim(), "{seen}");
        assert!(seen["trouble"].as_str().is_none_or(|trouble| trouble.contains("it says nothing")), "{seen}");
        Some(text)
    }
}

/// As dhcpcd 9.4.1 sets them.
fn of_dhcpcd<'a>(reason: &'a str, prefix: &'a str) -> Vec<(&'a str, &'a str)> {
    let bound = [("new_dhcp6_ia_pd1_prefix1", prefix), ("new_dhcp6_ia_pd1_prefix1_length", "56")];
    let mut all = vec![("interface", "wan1"), ("protocol", "dhcp6"), ("reason", reason)];
    all.extend(bound.into_iter().filter(|_| !prefix.is_empty()));
    all
}

#[test]
fn dhcpcd() {
    let stand = Stand::new();
    stand.runs("dhcpcd", &[], &of_dhcpcd("ROUTERADVERT", ""));
    assert_eq!(stand.file(), None, "no word of a prefix");
    stand.runs("dhcpcd", &[], &of_dhcpcd("BOUND6", "2001:db8:a::"));
    assert_eq!(stand.file().unwrap(), "2001:db8:a::/56\n");
    stand.runs("dhcpcd", &[], &of_dhcpcd("REBIND6", "2001:db8:b::"));
    stand.runs("dhcpcd", &[], &of_dhcpcd("CARRIER", ""));
    assert_eq!(stand.file().unwrap(), "2001:db8:b::/56\n");
    stand.runs("dhcpcd", &[], &of_dhcpcd("EXPIRE6", ""));
    assert_eq!(stand.file().unwrap(), "\n");
}

#[test]
fn odhcp6c() {
    let stand = Stand::new();
    // PREFIX/LENGTH,PREFERRED,VALID,T1,T2 and what else there is, as odhcp6c sets it in 2026; without T1 and T2
    // in older ones.
    let prefixes = |text| vec![("SERVER", "fe80::1"), ("PREFIXES", text), ("RA_ADDRESSES", "")];
    stand.runs("odhcp6c", &["wan1", "started"], &prefixes(""));
    assert_eq!(stand.file(), None);
    stand.runs("odhcp6c", &["wan1", "bound"], &prefixes("2001:db8:a::/56,3600,7200,1800,2880"));
    assert_eq!(stand.file().unwrap(), "2001:db8:a::/56\n");
    let two = prefixes(
        "2001:db8:a::/56,0,0,1800,2880,class=0000002a 2001:db8:b::/56,3600,7200,1800,2880,excluded=2001:db8:b:ff::/64",
    );
    stand.runs("odhcp6c", &["wan1", "updated"], &two);
    assert_eq!(stand.file().unwrap(), "2001:db8:b::/56\n", "the former one is on its way out");
    stand.runs("odhcp6c", &["wan1", "ra-updated"], &prefixes("2001:db8:c::/56,3600,7200"));
    assert_eq!(stand.file().unwrap(), "2001:db8:c::/56\n");
    stand.runs("odhcp6c", &["wan1", "unbound"], &[]);
    assert_eq!(stand.file().unwrap(), "\n");
}

/// What networkd-dispatcher 2.2 adds to its own environment for a script.
fn of_networkd(interface: &str) -> Vec<(&str, &str)> {
    vec![
        ("ADDR", "2001:db8:b:0:6c4d:f6ff:fe31:efa5"),
        ("ESSID", ""),
        ("IP_ADDRS", ""),
        ("IP6_ADDRS", "2001:db8:b:0:6c4d:f6ff:fe31:efa5 fe80::6c4d:f6ff:fe31:efa5"),
        ("IFACE", interface),
        ("STATE", "configured"),
        ("AdministrativeState", "configured"),
        ("OperationalState", "routable"),
        ("json", "{\"Type\": \"ether\"}"),
    ]
}

#[test]
fn networkd_dispatcher() {
    let stand = Stand::new();
    // As iproute2 6.1 prints them: `-6 route …` says these, and `-6 -o address show [dev NAME] to PREFIX …`
    // something for each of those at any device, or at wan1.
    let kernel = |routes: &[&str], at_any: &[&str], at_wan1: &[&str]| {
        use std::os::unix::fs::PermissionsExt;
        let lines = |prefixes: &[&str]| -> String {
            let line = |prefix: &&str| format!("echo 'unreachable {prefix} dev lo metric 1024 pref medium'; ");
            prefixes.iter().map(line).collect()
        };
        let told = |prefixes: &[&str], form: &str| -> String {
            let case = |prefix: &&str| format!("'{}') echo 'wan1 inet6 …' ;;\n", form.replace('@', prefix));
            prefixes.iter().map(case).collect()
        };
        let text = format!(
            "#!/bin/sh\ncase \"$*\" in\n'-6 route show table main type unreachable proto dhcp') {}: ;;\n{}{}esac\n",
            lines(routes),
            told(at_any, "-6 -o address show to @ -deprecated"),
            told(at_wan1, "-6 -o address show dev wan1 to @ -deprecated"),
        );
        let ip = stand.dir.path().join("ip");
        fs::write(&ip, text).unwrap();
        fs::set_permissions(&ip, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let (a, b) = ("2001:db8:a::/56", "2001:db8:b::/56");
    let hook = "networkd-dispatcher";
    kernel(&[a], &[], &[]);
    stand.runs(hook, &[], &of_networkd("wan1"));
    assert_eq!(stand.file().unwrap(), "2001:db8:a::/56\n");
    kernel(&[a, b], &[b], &[b]);
    stand.runs(hook, &[], &of_networkd("wan1"));
    assert_eq!(stand.file().unwrap(), "2001:db8:b::/56\n", "the former route stays until its lifetime is over");
    kernel(&[a, b], &[a, b], &[a]);
    stand.runs(hook, &[], &of_networkd("wan1"));
    assert_eq!(stand.file().unwrap(), "2001:db8:a::/56\n", "that of the interface, whoever else delegates");
    kernel(&[a, b], &[b], &[]);
    stand.runs(hook, &[], &of_networkd("wan1"));
    assert_eq!(stand.file().unwrap(), "2001:db8:b::/56\n", "that of which the LAN has an address");
    kernel(&[a, b], &[a, b], &[]);
    let output = stand.run(hook, &[], &of_networkd("wan1"));
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("2 delegations"),
        "{output:?}"
    );
    assert_eq!(stand.file().unwrap(), "2001:db8:b::/56\n", "and nothing is guessed");
    let of_two = |interface| [&of_networkd(interface)[..], &[("SIXWAYS_INTERFACES", "wan0 wan1")]].concat();
    stand.runs(hook, &[], &of_two("lan0"));
    assert_eq!(stand.file().unwrap(), "2001:db8:b::/56\n", "no ISP's interface");
    kernel(&[a], &[a], &[]);
    stand.runs(hook, &[], &of_two("wan1"));
    assert_eq!(stand.file().unwrap(), "\n", "the one that is left may be the other ISP's");
    kernel(&[a, b], &[a, b], &[b]);
    stand.runs(hook, &[], &of_two("wan1"));
    assert_eq!(stand.file().unwrap(), "2001:db8:b::/56\n");
    kernel(&[], &[], &[]);
    stand.runs(hook, &[], &of_networkd("wan1"));
    assert_eq!(stand.file().unwrap(), "\n");
}

#[test]
fn every_hook_is_tested_and_documented() {
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/hooks");
    let mut names: Vec<String> =
        fs::read_dir(hooks).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["dhcpcd", "networkd-dispatcher", "odhcp6c"]);
    let page = include_str!("../docs/prefixes.md");
    assert!(names.iter().all(|name| page.contains(&format!("scripts/hooks/{name}"))));
}
