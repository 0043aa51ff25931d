//! NPTv6, RFC 6296: prefixes, and the stateless checksum-neutral mapping between two of them.
//!
//! Pure arithmetic; knows nothing of packets or ISPs.

mod mapping;
mod prefix;
pub mod proof;

pub use mapping::{Mapping, MappingError, Unmappable};
pub use prefix::{Prefix, PrefixError};
