//! What workers tell and what the ISPs are fit for.

use std::sync::Arc;
use std::time::Duration;

use super::Gateway;
use crate::app::GatewayError;
use crate::control::events::Event;
use crate::control::health::Change;
use crate::control::takeovers::Failover;
use crate::os::now;
use crate::worker::Punt;

impl Gateway {
    pub(super) fn hear_workers(&mut self) {
        let wants = self.control.wants();
        let mut answers = Vec::new();
        for thread in self.dataplane.iter().flat_map(|dataplane| &dataplane.threads) {
            while let Some(punt) = thread.channel.punt() {
                match punt {
                    Punt::NeighbourWanted { edge, address } => wants.want(edge, address),
                    // Or its queue was full: nothing is sent there for a moment, and the carrier is looked at.
                    Punt::LinkDown { .. } => self.health.look(),
                    Punt::Answer(answer) => answers.push(answer),
                    Punt::TookOver { lost, generation, at } => self.takeovers.took_over(lost, generation, at),
                }
            }
        }
        let snapshot = self.around.world.snapshot.load();
        let threads = self.dataplane.as_ref().map_or(&[][..], |dataplane| &dataplane.threads);
        answers.iter().for_each(|answer| self.health.answered(answer, &snapshot, threads));
    }

    /// Looks at the ISPs. Another verdict is published at once, and what else hangs on it is compiled after.
    pub(super) fn mind_health(&mut self) -> Result<(), GatewayError> {
        let snapshot = self.around.world.snapshot.load_full();
        self.takeovers.see(snapshot.usable, snapshot.generation);
        self.control.heed(&mut self.health.health);
        self.mind_drill();
        let threads = self.dataplane.as_ref().map_or(&[][..], |dataplane| &dataplane.threads);
        let (changes, judgement) = self.health.mind(&snapshot, &self.around.world.neighbours, threads);
        self.control.hear(&changes, now());
        let mut usable = snapshot.usable;
        if let Some(judged) = self.control.judge(judgement, &snapshot, now()) {
            let is_verdict = (judged.usable, judged.accepting) != (snapshot.usable, snapshot.accepting);
            usable = judged.usable;
            self.retired.push(self.around.world.snapshot.swap(Arc::new(judged)));
            // Flows that move are the workers' alone.
            if is_verdict {
                self.follow()?;
            }
        }
        for change in changes {
            self.takeovers.hear(&change, usable, now());
            self.tell_change(change);
        }
        for failover in self.takeovers.settle(now()) {
            self.drills.note(&failover);
            self.tell_failover(failover);
        }
        Ok(())
    }

    /// Says how long it took until other ISPs carried the packets of one that is down.
    fn tell_failover(&self, failover: Failover) {
        let Failover { isp, cause, took } = failover;
        self.around.observed.telling().failovers.record(cause.label(), took);
        let (cause, seconds) = (cause.label(), Duration::from_nanos(took.0).as_secs_f64());
        tracing::info!(%isp, cause, "others carry its packets, {seconds:.3} s after its last sign of life");
        self.events.tell(Event::Failover { isp, cause: cause.to_owned(), seconds });
    }

    /// Says what an ISP has become.
    fn tell_change(&self, change: Change) {
        let Change { isp, from, to, cause, after, .. } = change;
        let after_seconds = Duration::from_nanos(after.0).as_secs_f64();
        let (from_label, to_label, cause) = (from.label(), to.label(), cause.label());
        tracing::info!(%isp, from = from_label, to = to_label, cause, "after {after_seconds:.3} s");
        self.events.tell(Event::IspState { isp, from, to, cause: cause.to_owned(), after_seconds });
    }
}
