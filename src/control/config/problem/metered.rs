//! What can be wrong with a metered ISP.

/// What is wrong with `metered`, `max_stay` or `quota`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeteredProblem {
    #[error("`{0}` is not an amount a month")]
    Quota(String),
    #[error("`{0}` is given, but the ISP is not metered")]
    NotMetered(&'static str),
}

impl MeteredProblem {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Quota(_) => {
                "write a whole number, one of MB, GB, TB, MiB, GiB and TiB, and \"/month\", like \"50GB/month\""
                    .to_owned()
            }
            Self::NotMetered(_) => "add metered = true, or remove the line".to_owned(),
        }
    }
}
