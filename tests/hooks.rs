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
        fs::read_to_string(path.join("wan1.prefix")).ok()
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
    let prefixes = |text| vec![("PREFIXES", text)];
    stand.runs("odhcp6c", &["wan1", "started"], &[]);
    assert_eq!(stand.file(), None);
    stand.runs("odhcp6c", &["wan1", "bound"], &prefixes("2001:db8:a::/56,3600,7200"));
    assert_eq!(stand.file().unwrap(), "2001:db8:a::/56\n");
    let two = prefixes("2001:db8:a::/56,0,600 2001:db8:b::/56,3600,7200,class=1");
    stand.runs("odhcp6c", &["wan1", "updated"], &two);
    assert_eq!(stand.file().unwrap(), "2001:db8:b::/56\n", "the former one is on its way out");
    stand.runs("odhcp6c", &["wan1", "unbound"], &[]);
    assert_eq!(stand.file().unwrap(), "\n");
}

#[test]
fn networkd_dispatcher() {
    let stand = Stand::new();
    let ip = stand.dir.path().join("ip");
    let routes = |text: &str| {
        use std::os::unix::fs::PermissionsExt;
        fs::write(&ip, format!("#!/bin/sh\ncat <<END\n{text}\nEND\n")).unwrap();
        fs::set_permissions(&ip, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let variables = [("IFACE", "wan1"), ("STATE", "configured"), ("AdministrativeState", "configured")];
    // As iproute2 6.1 prints them.
    routes("unreachable 2001:db8:a::/56 dev lo metric 1024 pref medium");
    stand.runs("networkd-dispatcher", &[], &variables);
    assert_eq!(stand.file().unwrap(), "2001:db8:a::/56\n");
    routes("unreachable 2001:db8:a::/56 dev lo metric 1024\nunreachable 2001:db8:b::/56 dev lo metric 1024");
    let output = stand.run("networkd-dispatcher", &[], &variables);
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("2 delegations"),
        "{output:?}"
    );
    assert_eq!(stand.file().unwrap(), "2001:db8:a::/56\n", "and nothing is guessed");
    stand.runs("networkd-dispatcher", &[], &[("IFACE", "lan0"), ("SIXWAYS_INTERFACES", "wan0 wan1")]);
    routes("");
    stand.runs("networkd-dispatcher", &[], &variables);
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
