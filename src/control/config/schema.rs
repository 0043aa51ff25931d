//! Every key of the configuration, in one table: what is known, what it takes, its default.
//!
//! The parser refuses what is not here; `docs/configuration.md` and `configs/dual-isp.toml` are
//! compared with it by tests.

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The table that it is in; empty: the top of the file.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it takes, units included.
    pub takes: &'static str,
    /// Its default as it would be written; empty: it must be given.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

const fn key(
    section: &'static str,
    name: &'static str,
    takes: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    Key { section, name, takes, default, meaning }
}

/// All keys, section by section.
pub const KEYS: &[Key] = &[
    key("", "version", "1", "", "version of the file format"),
    key("site", "internal", "list of prefixes, /64 or shorter", "", "the prefixes that hosts inside use"),
    key(
        "site",
        "accept_any_uplink",
        "true or false",
        "false",
        "let a packet for one ISP's prefix in when it arrives by another ISP",
    ),
    key("lan", "interface", "name of an Ethernet interface", "", "where the hosts are"),
    key("isp", "name", "1 to 32 of a-z 0-9 - _", "", "the ISP's name in metrics, in status and in the steering hash"),
    key("isp", "interface", "name of an Ethernet interface", "", "what leads to the ISP"),
    key("isp", "prefix", "prefix, /64 or shorter", "none", "the ISP's prefix; it maps the one internal prefix"),
    key(
        "isp",
        "mappings",
        "list of { internal, external }",
        "none",
        "prefix pairs written out, for several internal prefixes or an ISP that gives only a /64",
    ),
    key(
        "isp",
        "next_hop",
        "\"auto\" or an address",
        "\"auto\"",
        "the ISP's router; auto: the kernel's default route on that interface",
    ),
    key("isp", "weight", "0 to 1000", "1", "share of the address pairs, relative to the other ISPs' weights"),
    key("isp", "mtu", "\"auto\" or 1280 to 9000 octets", "\"auto\"", "largest IPv6 packet; auto: the interface's MTU"),
    key("isp.mappings", "internal", "prefix, /64 or shorter", "", "inside prefix of the pair"),
    key("isp.mappings", "external", "prefix, /64 or shorter", "", "outside prefix of the pair"),
    key(
        "dataplane",
        "mode",
        "\"auto\", \"copy\", \"zero-copy\" or \"generic\"",
        "\"auto\"",
        "how frames reach the workers; auto: copy, and generic where the driver has no native XDP",
    ),
    key(
        "dataplane",
        "queues",
        "\"all\" or 1 to 64",
        "\"all\"",
        "workers, one per queue; all: as many as the port with the fewest queues has",
    ),
    key("dataplane", "cores", "\"auto\" or a list of core numbers", "\"auto\"", "the workers' cores, in order"),
    key("dataplane", "batch", "1 to 256 frames", "64", "frames taken from one port before the next one is served"),
    key("dataplane", "rx_ring", "slots, a power of two", "2048", "size of each receive ring"),
    key("dataplane", "tx_ring", "slots, a power of two", "2048", "size of each transmit ring"),
    key("dataplane", "fill_ring", "slots, a power of two", "2048", "size of each fill ring"),
    key(
        "dataplane",
        "completion_ring",
        "slots, a power of two",
        "2048",
        "size of each completion ring, at least that of the transmit ring",
    ),
    key(
        "dataplane",
        "frames",
        "\"auto\" or frames",
        "\"auto\"",
        "packet buffer of each worker; auto: enough for every ring",
    ),
    key("dataplane", "frame_size", "2048 or 4096 octets", "2048", "size of a frame; 256 octets of it are the kernel's"),
    key("dataplane", "idle", "\"adaptive\" or \"busy\"", "\"adaptive\"", "what a worker does when nothing arrives"),
    key(
        "dataplane",
        "stamp_every",
        "frames, a power of two, or 0",
        "64",
        "one frame in this many is timed for the latency histogram; 0: none",
    ),
    key("host", "rules", "true or false", "true", "keep rules so that the host answers by the ISP that asked"),
    key(
        "host",
        "on_stop",
        "\"block\" or \"release\"",
        "\"block\"",
        "after a stop: keep gate and guard, so that nothing leaks, or take them away",
    ),
    key("metrics", "listen", "ADDRESS:PORT or \"off\"", "\"[::1]:9636\"", "where Prometheus finds the metrics"),
];

/// Keys and tables that the design has and this version does not: refused by name.
pub const NOT_BUILT: &[(&str, &[&str])] = &[
    ("", &["flows", "filter", "icmp", "policy", "rule", "ha", "ipv4", "notify", "health", "probes"]),
    ("lan", &["vlan", "next_hop"]),
    ("isp", &["tier", "probes", "health", "mss_clamp", "nd_proxy", "vlan", "metered", "max_stay", "quota"]),
    ("dataplane", &["busy_poll", "fast_lane"]),
    ("host", &["steer"]),
    ("metrics", &["latency_sample"]),
];

/// The keys of `section`, in the order of the table.
pub fn keys_of(section: &str) -> impl Iterator<Item = &'static Key> {
    let section = section.to_owned();
    KEYS.iter().filter(move |key| key.section == section)
}

/// Whether `name` in `section` is a part of the design that is not built yet.
pub fn is_not_built(section: &str, name: &str) -> bool {
    NOT_BUILT.iter().any(|(of, names)| *of == section && names.contains(&name))
}
