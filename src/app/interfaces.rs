//! Which interfaces of the configuration there are, and when one goes or comes back.

use std::collections::BTreeMap;

use crate::control::config::Config;
use crate::control::events::Event;
use crate::snapshot::GatePort;
use crate::units::PortId;

/// By name: the device, if there is one.
#[derive(Debug, Default)]
pub(super) struct Interfaces(BTreeMap<String, Option<Device>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Device {
    ifindex: u32,
    gated: bool,
}

impl Device {
    /// Whether it cannot be the device that `before` was: it may have got the same index, but not the gate.
    fn is_another_than(self, before: Self) -> bool {
        self.ifindex != before.ifindex || (before.gated && !self.gated)
    }
}

impl Interfaces {
    /// Takes note of the devices that there are, `ports`, on some of which a gate is, and says what has happened
    /// since the last time. A device that was made anew in between was gone.
    pub(super) fn follow(&mut self, config: &Config, ports: &[GatePort], gated: impl Fn(PortId) -> bool) -> Vec<Event> {
        let lans = config.lans.iter().map(|lan| &lan.interface);
        let configured = lans.chain(config.isps.iter().map(|isp| &isp.interface));
        let device = |name: &str| {
            let port = ports.iter().find(|port| port.interface == name)?;
            Some(Device { ifindex: port.ifindex, gated: gated(port.port) })
        };
        let now: BTreeMap<_, _> = configured.map(|name| (name.clone(), device(name))).collect();
        let mut events = Vec::new();
        for (interface, device) in &now {
            let gone = || Event::InterfaceGone { interface: interface.clone() };
            let back = || Event::InterfaceBack { interface: interface.clone() };
            match (self.0.get(interface), device) {
                (None | Some(Some(_)), None) => events.push(gone()),
                (Some(None), Some(_)) => events.push(back()),
                (Some(Some(before)), Some(after)) if after.is_another_than(*before) => events.extend([gone(), back()]),
                _ => {}
            }
        }
        self.0 = now;
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config;
    use crate::units::PortId;

    fn devices(devices: &[(&str, u32)]) -> Vec<GatePort> {
        let port = |(interface, ifindex): &(&str, u32)| GatePort {
            port: PortId(0),
            interface: (*interface).to_owned(),
            ifindex: *ifindex,
            generic: false,
            edges: Vec::new(),
            routes: Vec::new(),
        };
        devices.iter().map(port).collect()
    }

    #[test]
    fn each_going_and_coming_is_told_once() {
        let config = config::parse(include_str!("../../configs/minimal.toml")).unwrap();
        let mut interfaces = Interfaces::default();
        let gone = |interface: &str| Event::InterfaceGone { interface: interface.to_owned() };
        let back = |interface: &str| Event::InterfaceBack { interface: interface.to_owned() };
        let all = [("lan0", 1), ("wan0", 2), ("wan1", 3)];
        assert_eq!(
            interfaces.follow(&config, &devices(&all[..2]), |_| true),
            [gone("wan1")],
            "it is not there at the start"
        );
        assert_eq!(interfaces.follow(&config, &devices(&all[..2]), |_| true), []);
        assert_eq!(interfaces.follow(&config, &devices(&all), |_| true), [back("wan1")]);
        assert_eq!(interfaces.follow(&config, &devices(&all[1..]), |_| true), [gone("lan0")]);
        assert_eq!(interfaces.follow(&config, &devices(&all), |_| true), [back("lan0")]);
        let anew = [("lan0", 1), ("wan0", 9), ("wan1", 3)];
        assert_eq!(interfaces.follow(&config, &devices(&anew), |_| true), [gone("wan0"), back("wan0")]);
        assert_eq!(interfaces.follow(&config, &devices(&anew), |_| false).len(), 6, "each has lost its gate");
        assert_eq!(interfaces.follow(&config, &devices(&anew), |_| false), [], "still");
        assert_eq!(interfaces.follow(&config, &devices(&anew), |_| true), []);
        let fewer = config::Config { isps: config.isps[..1].to_vec(), ..config };
        assert_eq!(interfaces.follow(&fewer, &devices(&all[..2]), |_| true), [gone("wan0"), back("wan0")]);
    }
}
