//! Flow memory in BPF arrays: what is kept over a restart and what is not, and the BPF form of
//! hash and hot word against the Rust form.

mod adoption;
#[path = "../common/flow_vectors.rs"]
mod flow_vectors;
mod programs;
mod stand;
#[path = "../common/test_run.rs"]
mod test_run;
