//! The key by which an ISP's neighbours on the link are answered.

use super::{Default, Key, key};
use crate::control::config::kind::Kind;

/// `nd_proxy` of an `[[isp]]`.
pub const ND_PROXY: Key = key(
    "nd_proxy",
    Kind::NdProxy,
    "",
    Default::Value("false"),
    "For an ISP that puts its prefix on the link instead of routing it here: whether its Neighbor Solicitations for \
     addresses of `mappings` are answered. `true`: once the host inside has answered. `\"static\"`: for every address \
     that has an image inside.",
);
