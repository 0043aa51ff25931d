//! Flow memory in BPF arrays: what is kept over a restart and what is not, and the BPF form of
//! hash and hot word against the Rust form.

mod adoption;
mod programs;
mod stand;
