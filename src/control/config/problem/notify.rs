//! What can be wrong with `[notify]`.

/// What is wrong with one place of `[notify]`. The message says what is wrong; [`NotifyProblem::remedy`] says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotifyProblem {
    #[error("neither `exec` nor `webhook` is given, so nobody would be told")]
    Nobody,
    #[error("`{0}` is not the absolute path of a program")]
    NotAbsolute(String),
    #[error("`{0}` has a character that no argument can have")]
    Argument(String),
    #[error("`{0}` is not an http or https URL")]
    Webhook(String),
}

impl NotifyProblem {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Nobody => "add exec = [\"/usr/local/bin/alert\"] or webhook = \"https://alerts.example.net/sixways\"",
            Self::NotAbsolute(_) => "write it from the root on, like \"/usr/local/bin/alert\"; there is no shell",
            Self::Argument(_) => "leave out the zero character",
            Self::Webhook(_) => "write it in full, like \"https://alerts.example.net/sixways\"",
        }
        .to_owned()
    }
}
