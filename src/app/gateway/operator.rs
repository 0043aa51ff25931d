//! ISPs are drained, and carry new flows again, as operators ask.

use serde::{Deserialize, Serialize};

use super::Gateway;
use crate::app::orders::answer;
use crate::control::config::{MOVING, span};
use crate::control::events::Event;
use crate::control::operator::OperatorError;
use crate::control::socket::Reply;
use crate::os::now;
use crate::units::{Nanos, UplinkId};

/// Arguments of the verb `drain`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DrainRequest {
    /// Which ISP.
    pub(crate) isp: String,
    /// Seconds over which the flows that it has are moved; without them they stay.
    pub(crate) over_seconds: Option<f64>,
}

/// Arguments of the verb `undrain`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UndrainRequest {
    /// Which ISP.
    pub(crate) isp: String,
}

/// What an undrain has done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Undrained {
    /// Of which ISP.
    pub(crate) isp: String,
    /// Whether its quota of this month keeps new flows away nevertheless.
    pub(crate) quota_spent: bool,
}

/// What a drain has done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Drained {
    /// Of which ISP.
    pub(crate) isp: String,
    /// Seconds over which the flows that it has are moved; without them they stay.
    pub(crate) over_seconds: Option<f64>,
    /// Flows that it has, as they were counted last.
    pub(crate) flows: u64,
    /// Whether another ISP is well.
    pub(crate) others_are_well: bool,
}

impl Gateway {
    /// `sixways drain`.
    pub(in crate::app) fn order_drain(&mut self, request: DrainRequest, reply: Reply) {
        answer(reply, self.drain(request));
    }

    /// `sixways undrain`.
    pub(in crate::app) fn order_undrain(&mut self, UndrainRequest { isp }: UndrainRequest, reply: Reply) {
        let undrained = self.control.undrain(&isp, now());
        if let Ok(is_spent) = undrained {
            match is_spent {
                false => tracing::info!(%isp, "undrained: new flows may take it"),
                true => tracing::info!(%isp, "undrained, but its quota is spent: new flows avoid it"),
            }
            self.events.tell(Event::IspUndrained { isp: isp.clone() });
            self.mind_health_now();
        }
        answer(reply, undrained.map(|quota_spent| Undrained { isp, quota_spent }));
    }

    fn drain(&mut self, DrainRequest { isp, over_seconds }: DrainRequest) -> Result<Drained, String> {
        let over = over_seconds.map(|seconds| span_of(seconds, "over")).transpose()?;
        self.control.drain(&isp, over, now()).map_err(|error| error.to_string())?;
        let uplink =
            self.control.isp(&isp).map(|(_, uplink)| uplink).map_err(|error: OperatorError| error.to_string())?;
        match over {
            Some(over) => tracing::info!(%isp, "drained: new flows avoid it, its own move over {}", span::show(over)),
            None => tracing::info!(%isp, "drained: new flows avoid it"),
        }
        self.events.tell(Event::IspDrained { isp: isp.clone(), over_seconds: over_seconds.unwrap_or_default() });
        self.mind_health_now();
        let (flows, others_are_well) = (self.flows_of(uplink), self.control.could_spare(uplink));
        Ok(Drained { isp, over_seconds, flows, others_are_well })
    }

    /// What an operator has asked is in force when he is answered.
    pub(super) fn mind_health_now(&mut self) {
        if let Err(error) = self.mind_health() {
            tracing::error!(%error, "not all of it could be put in force; trying again");
        }
    }

    /// Flows that `uplink` has, as the latest round of the sweep has counted them.
    fn flows_of(&self, uplink: UplinkId) -> u64 {
        let snapshot = self.around.world.snapshot.load();
        let mappings = snapshot.mappings.iter().filter(|mapping| mapping.uplink == uplink);
        let counts = &self.memory.report().by_mapping;
        mappings.filter_map(|mapping| counts.get(mapping.id.index())).sum()
    }
}

/// The time that a request gives in seconds.
pub(super) fn span_of(seconds: f64, what: &str) -> Result<Nanos, String> {
    // A number that is out of range saturates, and is refused.
    let span = Nanos((seconds * 1e9) as u64);
    if MOVING.fits(span) { Ok(span) } else { Err(format!("`{what}` is {seconds} s; write {}", MOVING.limits())) }
}
