//! The ND proxy in `sixways status`.

use serde::{Deserialize, Serialize};

use super::{Counted, Rates};
use crate::observe::nd_proxy::NdOutcome;

/// What became of one ISP's Neighbor Solicitations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NdProxyStatus {
    /// The ISP.
    pub isp: String,
    /// Answered for a host inside.
    pub answered: Counted,
    /// No host inside has the address.
    pub no_host: Counted,
    /// The same question was waiting already.
    pub repeated: Counted,
    /// Too many at a time.
    pub rate_limited: Counted,
    /// For addresses that are not answered for.
    pub not_proxied: Counted,
    /// Not valid.
    pub invalid: Counted,
}

impl Rates<'_> {
    pub(super) fn nd_proxy(&self) -> Vec<NdProxyStatus> {
        let isps = self.sample.topology.isps.iter().filter(|isp| self.sample.nd_proxy(isp.id).is_some());
        isps.map(|isp| {
            let counted = |outcome: NdOutcome| {
                self.counted(|sample| sample.nd_proxy(isp.id).map_or(0, |counts| counts[outcome.index()]))
            };
            NdProxyStatus {
                isp: isp.name.clone(),
                answered: counted(NdOutcome::Answered),
                no_host: counted(NdOutcome::NoHost),
                repeated: counted(NdOutcome::Repeated),
                rate_limited: counted(NdOutcome::RateLimited),
                not_proxied: counted(NdOutcome::NotProxied),
                invalid: counted(NdOutcome::Invalid),
            }
        })
        .collect()
    }
}
