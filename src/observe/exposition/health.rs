//! The ISPs' health.

use super::Page;
use crate::observe::families as family;
use crate::observe::isp_health::{IspHealth, IspState, TargetHealth};

pub(super) fn health(page: &mut Page, isps: &[IspHealth]) {
    page.family(&family::ISP_STATE, |rows| {
        for (isp, state) in isps.iter().flat_map(|isp| IspState::ALL.map(|state| (isp, state))) {
            rows.row(&[&isp.isp, state.label()], u64::from(isp.state == state));
        }
    });
    page.family(&family::ISP_TRANSITIONS, |rows| isps.iter().for_each(|isp| rows.row(&[&isp.isp], isp.transitions)));
    let targets = || isps.iter().flat_map(|isp| isp.targets.iter().map(move |target| (&*isp.isp, target)));
    let mut by_target = |family, value: fn(&TargetHealth) -> u64| {
        page.family(family, |rows| targets().for_each(|(isp, target)| rows.row(&[isp, &target.name], value(target))));
    };
    by_target(&family::PROBES_SENT, |target| target.sent);
    by_target(&family::PROBES_LOST, |target| target.lost);
    page.family(&family::PROBE_RTT, |rows| {
        targets().for_each(|(isp, target)| rows.durations(&[isp, &target.name], &target.rtts));
    });
}
