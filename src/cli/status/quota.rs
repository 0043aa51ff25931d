//! What metered ISPs have carried.

use crate::cli::amount::{scaled, share};
use crate::cli::table::{
    Side::{Left, Right},
    Table,
};
use crate::observe::status::Status;

/// Nothing where no ISP has a quota.
pub fn quotas(status: &Status) -> String {
    let quotas = || status.isps.iter().filter_map(|isp| Some((&isp.name, isp.quota?)));
    if quotas().next().is_none() {
        return String::new();
    }
    let mut table = Table::new(&[("QUOTA", Left), ("USED THIS MONTH", Right), ("", Right), ("OF", Right), ("", Left)]);
    for (isp, quota) in quotas() {
        let (used, whole) = (quota.used_bytes as f64, quota.bytes as f64);
        let spent = if quota.used_bytes < quota.bytes { "" } else { "SPENT: new flows avoid it" };
        table.row([isp.clone(), scaled(used, "B"), share(used / whole), scaled(whole, "B"), spent.to_owned()]);
    }
    table.to_string()
}
