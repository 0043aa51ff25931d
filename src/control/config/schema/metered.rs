//! Keys of an `[[isp]]` that is paid for by what it carries.

use super::super::kind::Kind;
use super::{Default, Key, key};
use crate::units::Nanos;

/// `metered` of an `[[isp]]`.
pub const METERED: Key = key(
    "metered",
    Kind::Boolean,
    "",
    Default::Value("false"),
    "Whether it is paid for by what it carries. Flows that would be given another ISP then leave it within `max_stay` after \
     one that is not metered is back. See [metered.md](metered.md).",
);

/// `max_stay` of an `[[isp]]`.
pub const MAX_STAY: Key = key(
    "max_stay",
    Kind::Span(Nanos::from_millis(1000), Nanos::from_millis(24 * 3_600_000)),
    "",
    Default::Words("`15m` where `metered = true`"),
    "How long flows may stay on the metered ISP after one that is not metered is back.",
);

/// `quota` of an `[[isp]]`.
pub const QUOTA: Key = key(
    "quota",
    Kind::Quota,
    "",
    Default::Words("none"),
    "What the metered ISP may carry in a calendar month (UTC), both ways together. Beyond it new flows avoid the ISP, unless \
     no other one will do.",
);
