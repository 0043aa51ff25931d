//! How long flows stay on metered ISPs. Pure: told the time.

use super::config::Config;
use super::ids::Ids;
use crate::units::Nanos;

/// Since when an ISP that is not metered has been there for new flows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stays(Option<Nanos>);

impl Stays {
    /// The metered ISPs, by bit of [`crate::units::UplinkId`], on which the time of all flows is over, now
    /// that `open` are there for new flows.
    pub fn over(&mut self, config: &Config, ids: &Ids, open: u16, now: Nanos) -> u16 {
        let metered = || config.isps.iter().filter_map(|isp| Some((ids.uplink(&isp.name)?, isp.metered?.max_stay)));
        let is_back = metered().fold(open, |others, (uplink, _)| others & !(1 << uplink.0)) != 0;
        self.0 = if is_back { Some(self.0.unwrap_or(now)) } else { None };
        let Some(since) = self.0 else { return 0 };
        let over = metered().filter(|(_, max_stay)| now.since(since) >= *max_stay);
        over.fold(0, |bits, (uplink, _)| bits | 1 << uplink.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config::parse;

    const ISPS: &str = r#"
        version = 1
        [site]
        internal = ["fd12:3456:789a::/48"]
        [[lan]]
        interface = "lan0"
        [[isp]]
        name = "fiber"
        interface = "wan0"
        prefix = "2001:db8:1::/48"
        [[isp]]
        name = "lte"
        interface = "wan1"
        prefix = "2001:db8:2::/48"
        tier = 2
        metered = true
        max_stay = "10m"
        [[isp]]
        name = "satellite"
        interface = "wan2"
        prefix = "2001:db8:3::/48"
        tier = 3
        metered = true
    "#;

    #[test]
    fn the_time_of_all_runs_from_the_return_of_an_isp_that_is_not_metered() {
        let config = parse(ISPS).unwrap();
        let mut ids = Ids::default();
        ids.assign(&config).unwrap();
        let bit = |isp| 1 << ids.uplink(isp).unwrap().0;
        let (fiber, lte, satellite) = (bit("fiber"), bit("lte"), bit("satellite"));
        let mut stays = Stays::default();
        let mut over = |open, minutes: u64| stays.over(&config, &ids, open, Nanos::from_millis(minutes * 60_000));
        assert_eq!(over(lte | satellite, 0), 0);
        assert_eq!(over(lte, 100), 0, "another metered one is no reason to leave");
        assert_eq!(over(fiber | lte, 200), 0);
        assert_eq!(over(fiber, 209), 0);
        assert_eq!(over(fiber | lte | satellite, 210), lte);
        assert_eq!(over(fiber | lte | satellite, 215), lte | satellite, "15 minutes by default");
        assert_eq!(over(fiber | lte, 5000), lte | satellite, "as long as it is there");
        assert_eq!(over(lte, 5001), 0, "and no longer");
        assert_eq!(over(fiber | lte, 5002), 0, "from the beginning");
    }
}
