//! Flow memory: which mapping a flow has, in a table of fixed size without locks.
//!
//! A **hot** word for each record, eight to a 64-byte line; a look-up reads one line. A **cold**
//! record at the same place holds what a look-up does not need. The table knows neither packets
//! nor BPF: it works on atomic words that others own, on the heap or in a mapped BPF array.
//!
//! Whoever writes a hot word compares and swaps it, nobody stores one. A new record is first
//! claimed, then its cold part is written, then it is published; of two claims for one flow
//! exactly one is published (see [`Flows::insert`]). `tests/flow_loom.rs` holds that against all
//! orders in which a few workers can do it.

mod cold;
mod fragments;
mod memory;
mod state;
mod sweep;
mod table;
mod tick;
mod word;

pub use cold::{ColdLine, ColdRecord};
pub use fragments::{FragmentKey, FragmentTable};
pub use memory::{FlowStore, HeapFlows, LAYOUT_VERSION, lines, octets};
pub use state::{Class, Signal, State, Timeouts};
pub use sweep::{Sweeper, Swept, Totals};
pub use table::{Evicted, Flows, Inserted, Record};
pub use tick::Tick;
pub use word::{Line, Slot, Word, Word64};
