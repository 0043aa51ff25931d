//! `[host]` and `[ipv4]` against the rest of the file.

use crate::control::config::problem::Problem;
use crate::control::config::raw::{Raw, RawHost};
use crate::control::config::reader::{At, Errors};
use crate::control::config::{HOST_DEVICE, HOST_PORT, Host, Ipv4, Mode};

/// Whether the host has a port of its own.
pub fn steers(raw: &Raw) -> bool {
    raw.host.steer.as_ref().is_some_and(|steer| steer.value)
}

/// What the host's own port cannot do without.
pub fn check(raw: &Raw, errors: &Errors) {
    let Some(At { value: true, place }) = &raw.host.steer else { return };
    if raw.host.rules.as_ref().is_some_and(|rules| !rules.value) {
        errors.add(place, Problem::SteerWithoutRules);
    }
    if let Some(At { value: Mode::ZeroCopy, place }) = &raw.dataplane.mode {
        errors.add(place, Problem::SteerZeroCopy);
    }
    let interfaces = raw.lans.iter().chain(raw.isps.iter().map(|isp| &isp.edge));
    for interface in interfaces.filter_map(|edge| edge.interface.as_ref()) {
        if [HOST_DEVICE, HOST_PORT].contains(&interface.value.as_str()) {
            errors.add(&interface.place, Problem::SteersInterface(interface.value.clone()));
        }
    }
}

/// Both sections, if all of them is known.
pub fn build(raw: &RawHost) -> Option<(Host, Ipv4)> {
    let host = Host {
        rules: raw.rules.as_ref()?.value,
        steer: raw.steer.as_ref()?.value,
        on_stop: raw.on_stop.as_ref()?.value,
        reload_on_save: raw.reload_on_save.as_ref()?.value,
    };
    Some((host, Ipv4 { follow: raw.ipv4_follow.as_ref()?.value }))
}
