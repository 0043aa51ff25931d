//! What can be wrong with a table of `prefix` of an ISP.

/// What is wrong with where a prefix is learnt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceProblem {
    #[error("the site has {internals} internal prefixes, and a prefix that is learnt has room for one")]
    SeveralInternals { internals: usize },
    #[error("the table does not say where the prefix is learnt")]
    NoOrigin,
    #[error("both `file` and `interface` are given")]
    TwoOrigins,
    #[error("`subnet_id` counts parts of some length, and no `length` is given")]
    SubnetWithoutLength,
    #[error("`{0}` is not the absolute path of a file")]
    File(String),
}

impl SourceProblem {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        let text = match self {
            Self::SeveralInternals { .. } => {
                "write one prefix that covers them all to `internal`, like the /48 that they are out of: subnets keep \
                 their numbers; or `mappings`, if the ISP's prefix never changes"
            }
            Self::NoOrigin => {
                "add file = \"/run/sixways/wan0.prefix\", which a DHCPv6-PD client writes, or the `interface` that has an \
                 address out of it"
            }
            Self::TwoOrigins => "keep one of them",
            Self::SubnetWithoutLength => "add `length`, or remove `subnet_id`",
            Self::File(_) => "write a path from / on, like \"/run/sixways/wan0.prefix\"",
        };
        text.to_owned()
    }
}
