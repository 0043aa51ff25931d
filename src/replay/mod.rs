//! The gateway without a kernel: captures in, captures and counters out, by the very same packet
//! path (`sixways replay`); and a place to try single packets (`explain`).
//!
//! [`world`] makes up what the running gateway reads from the kernel, [`Stand`] is a worker's
//! packet path without a worker, [`Engine`] adds the gate's model and a clock that goes by the
//! captures' time-stamps, [`replay`] joins them with files. Deterministic: the same captures and
//! configuration give the same octets.
//!
//! It cannot show what only the kernel and the device do: rings that run full, carrier, ND, and
//! what the guard lets out.

pub mod capture;
mod engine;
mod report;
mod run;
mod stand;
pub mod world;

pub(crate) use engine::untagged;
pub use engine::{Engine, Sent};
pub use report::{DropReport, EdgeReport, InputReport, IspReport, Report};
pub use run::{Input, Options, Rehearsal, ReplayError, replay};
pub use stand::Stand;
