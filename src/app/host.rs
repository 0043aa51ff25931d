//! Whether the host is ready, told in the log before anything is touched, and what goes past the gateway.

use std::thread;

use super::GatewayError;
use super::dataplane::socket_options;
use crate::control::bypass::bypassed;
use crate::control::config::{Config, Mode, NextHop};
use crate::xdp::preflight::{self, Finding, Intent, PortIntent, Severity, VlanIntent};

/// Says what the host lacks.
///
/// # Errors
/// When it lacks something without which the gateway cannot run.
pub(super) fn check(config: &Config) -> Result<(), GatewayError> {
    let findings = preflight::check(&intent(config)).map_err(GatewayError::system("check the host"))?;
    tell(&findings);
    if findings.iter().any(|finding| finding.severity == Severity::Fatal) {
        return Err(GatewayError::Preflight);
    }
    Ok(())
}

/// Says in a while what is set up on the ISPs' interfaces that transit no longer meets: the tools that are
/// asked take their time, and a start needs the processors itself.
///
/// # Errors
/// When the kernel gives no thread.
pub(super) fn look_for_bypasses(config: &Config) -> Result<(), GatewayError> {
    let mut isps: Vec<String> = config.isps.iter().map(|isp| isp.interface.clone()).collect();
    isps.sort_unstable();
    isps.dedup();
    let asking = thread::Builder::new().name("bypass".to_owned()).spawn(move || tell_bypassed(&isps));
    asking.map(drop).map_err(GatewayError::system("start a thread"))
}

fn tell_bypassed(isps: &[String]) {
    let isps: Vec<&str> = isps.iter().map(String::as_str).collect();
    // Tools that are not installed have set nothing up.
    let (found, _) = bypassed(&isps);
    for bypassed in found {
        tracing::warn!("{} {}", bypassed.what, bypassed.effect);
    }
}

fn intent(config: &Config) -> Intent {
    let mut ports: Vec<PortIntent> = Vec::new();
    let lans = config.lans.iter().map(|lan| (&lan.interface, lan.vlan, None));
    let isps = config.isps.iter().map(|isp| (&isp.interface, isp.vlan, Some(isp.next_hop == NextHop::Auto)));
    for (interface, vlan, isp) in lans.chain(isps) {
        let place = ports.iter().position(|port| port.interface == *interface).unwrap_or_else(|| {
            ports.push(PortIntent { interface: interface.clone(), ..PortIntent::default() });
            ports.len() - 1
        });
        let (port, auto_next_hop) = (&mut ports[place], isp == Some(true));
        port.isp |= isp.is_some();
        port.lan |= isp.is_none();
        match vlan {
            Some(id) => port.vlans.push(VlanIntent { id, auto_next_hop }),
            None => port.auto_next_hop = auto_next_hop,
        }
    }
    Intent {
        ports,
        socket: socket_options(&config.dataplane),
        generic: config.dataplane.mode == Mode::Generic,
        native: matches!(config.dataplane.mode, Mode::ZeroCopy | Mode::Copy),
        workers: config.dataplane.queues,
    }
}

/// The same finding about several interfaces is told once.
fn tell(findings: &[Finding]) {
    let same = |a: &Finding, b: &Finding| (a.what, &a.value, &a.remedy) == (b.what, &b.value, &b.remedy);
    for (n, finding) in findings.iter().enumerate() {
        if findings[..n].iter().any(|earlier| same(earlier, finding)) {
            continue;
        }
        let interfaces: Vec<&str> = findings
            .iter()
            .filter(|other| same(other, finding))
            .filter_map(|other| other.interface.as_deref())
            .collect();
        let place = if interfaces.is_empty() { "host".to_owned() } else { interfaces.join(", ") };
        let text = format!("{place}: {}: {}; {}", finding.what, finding.value, finding.remedy);
        match finding.severity {
            Severity::Warning => tracing::warn!("{text}"),
            Severity::Fatal => tracing::error!("{text}"),
        }
    }
}
