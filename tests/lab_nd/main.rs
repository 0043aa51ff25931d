//! The ND proxy between real kernels: the ISP's router has an on-link /64 and no route.

#[path = "../lab/mod.rs"]
mod lab;

mod neighbours;
mod scan;
#[path = "../common/slow_npt.rs"]
mod slow_npt;
#[path = "../common/solicitation.rs"]
mod solicitation;
mod stand;
