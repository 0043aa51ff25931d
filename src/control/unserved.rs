//! Ports that exist and that the workers have no sockets of.

use std::collections::BTreeSet;

use super::{Control, config};
use crate::snapshot::{Fitness, Generation};
use crate::units::PortId;

impl Control {
    /// From now on the ISPs on the ports `left_out` carry nothing. Returns whether that is news: compile then.
    pub fn leave_out(&mut self, left_out: BTreeSet<PortId>) -> bool {
        let is_news = self.left_out != left_out;
        self.left_out = left_out;
        is_news
    }

    /// As if their links were down, since packets for them would only be dropped.
    pub(super) fn close_unserved(&self, generation: &mut Generation) {
        let is_left_out =
            |isp: &&config::Isp| self.ids.port(&isp.interface).is_some_and(|port| self.left_out.contains(&port));
        let uplinks = self.config.isps.iter().filter(is_left_out).filter_map(|isp| self.ids.uplink(&isp.name));
        generation.candidates.linked &= !uplinks.fold(0, |bits, uplink| bits | 1 << uplink.0);
        let Fitness { usable, accepting, kept } = generation.candidates.judge(self.judgement);
        let snapshot = &mut generation.snapshot;
        (snapshot.usable, snapshot.accepting, snapshot.kept) = (usable, accepting, kept);
    }
}
