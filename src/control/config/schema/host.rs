//! `[host]` and `[ipv4]`: the gateway as a host of its own, and what is beside IPv6.

use super::{Default, Section, key};
use crate::control::config::OnStop;
use crate::control::config::kind::{Kind, words};

/// `[host]`
pub static HOST: Section = Section {
    header: "[host]",
    meaning: "The gateway as a host of its own. Optional. See [host.md](host.md).",
    keys: &[
        key(
            "rules",
            Kind::Boolean,
            "",
            Default::Value("true"),
            "Whether policy rules (`ip -6 rule`) are kept so that the host answers by the ISP that was asked.",
        ),
        key(
            "steer",
            Kind::Boolean,
            "",
            Default::Value("false"),
            "Whether the host's own traffic to the Internet, and what it forwards from containers and VPNs, is \
             translated, steered and failed over like a LAN host's. It needs `rules`, and makes a link for it, \
             `sixways0` and `sixways1`.",
        ),
        key(
            "on_stop",
            Kind::Word(words::<OnStop>),
            "",
            Default::Value(r#""block""#),
            "What stays when the gateway stops. `block`: the XDP and tc programs stay and drop transit, so that \
             nothing leaves untranslated. `release`: all is taken away and the kernel routes as it likes.",
        ),
        key(
            "reload_on_save",
            Kind::Boolean,
            "",
            Default::Value("true"),
            "Whether this file is put in force when it is saved. Otherwise it waits for `sixways reload` or SIGHUP, for sites where changes are tried by `sixways reload --confirm`. See [reload.md](reload.md).",
        ),
    ],
    planned: &[],
};

/// `[ipv4]`
pub static IPV4: Section = Section {
    header: "[ipv4]",
    meaning: "What is beside IPv6: the kernel's, all of it. Optional.",
    keys: &[key(
        "follow",
        Kind::Boolean,
        "",
        Default::Value("false"),
        "Whether the kernel's IPv4 default route passes over ISPs that are not usable. Address translation for IPv4 is \
         not the gateway's. See [host.md](host.md#ipv4).",
    )],
    planned: &[],
};
