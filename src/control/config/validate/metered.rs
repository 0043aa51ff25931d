//! What metered ISPs are, and what those that are not cannot have.

use crate::control::config::metered::{MAX_STAY, Metered};
use crate::control::config::problem::{MeteredProblem, Problem};
use crate::control::config::raw::{Raw, RawMetered};
use crate::control::config::reader::Errors;

/// Keys that would do nothing.
pub fn check(raw: &Raw, errors: &Errors) {
    for isp in &raw.isps {
        if isp.metered.metered.as_ref().is_some_and(|metered| !metered.value) {
            for (key, place) in &isp.metered.given {
                errors.add(place, Problem::Metered(MeteredProblem::NotMetered(key)));
            }
        }
    }
}

/// What the ISP is, if every part of it is known; `Some(None)`: not metered.
pub fn build(raw: &RawMetered) -> Option<Option<Metered>> {
    if !raw.metered.as_ref()?.value {
        return Some(None);
    }
    let max_stay = raw.max_stay.as_ref().map_or(MAX_STAY, |span| span.value);
    Some(Some(Metered { max_stay, quota: raw.quota.as_ref().map(|quota| quota.value) }))
}
