//! Policies and rules.

use super::site::Site;
use crate::snapshot::{BucketError, Buckets, Claim, Steering};

/// The default policy: every ISP.
pub fn steering(site: &Site<'_>) -> Result<Steering, BucketError> {
    let claims: Vec<Claim<'_>> = site
        .isps
        .iter()
        .map(|isp| Claim { uplink: isp.uplink, name: &isp.config.name, weight: isp.config.weight, tier: 1 })
        .collect();
    let members = claims.iter().fold(0, |members, claim| members | 1 << claim.uplink.0);
    Ok(Steering::by_default(Buckets::build(&claims)?, members))
}
