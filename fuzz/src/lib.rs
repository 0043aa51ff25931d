//! What the fuzz targets do with the octets that libFuzzer gives them, and what must hold of the
//! outcome. `scripts/fuzz` builds and runs them.
//!
//! The packets' judge is [`judge`], which knows addresses, sums and RFC 6296 on its own.

pub mod config;
pub mod control_socket;
pub mod icmpv6_error;
pub mod npt;
pub mod octets;
pub mod parser;
pub mod pipeline;
pub mod seeds;
pub mod world;

#[path = "../../tests/common/config_judge.rs"]
mod config_judge;
#[path = "../../tests/common/corpus.rs"]
pub mod corpus;
#[path = "../../tests/common/judge.rs"]
pub mod judge;
#[path = "../../tests/common/rig/mod.rs"]
pub mod rig;
#[path = "../../tests/common/slow_npt.rs"]
mod slow_npt;
