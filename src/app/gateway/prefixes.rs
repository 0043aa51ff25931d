//! The ISPs' prefixes come, change and go.

use super::Gateway;
use crate::app::GatewayError;
use crate::control::events::Event;
use crate::control::prefixes::{News, Turn};

impl Gateway {
    /// Looks at the sources of the ISPs' prefixes. Another pair is put in force at once.
    pub(super) fn mind_prefixes(&mut self) -> Result<(), GatewayError> {
        if self.learn() { self.follow() } else { Ok(()) }
    }

    /// Looks at the sources of the ISPs' prefixes, and tells whether pairs have come or gone.
    pub(super) fn learn(&mut self) -> bool {
        self.prefixes.follow(self.control.written());
        let memory = &self.memory;
        match self.control.learn(|reused| memory.forget(reused)) {
            Ok(news) => {
                news.iter().for_each(|news| self.tell_prefix(news));
                news.iter().any(News::changes_pairs)
            }
            Err(error) => {
                tracing::error!(%error, "the ISPs' new prefixes are not used");
                false
            }
        }
    }

    fn tell_prefix(&self, News { isp, what }: &News) {
        let text = |prefix: Option<crate::npt::Prefix>| prefix.map(|prefix| prefix.to_string());
        match what {
            Turn::Changed { old, new } => {
                let (old, new) = (text(*old), text(*new));
                let shown = |prefix: &Option<String>| prefix.clone().unwrap_or_else(|| "none".to_owned());
                tracing::info!(%isp, from = shown(&old), to = shown(&new), "prefix");
                self.events.tell(Event::PrefixChanged { isp: isp.clone(), old, new });
            }
            Turn::Retired(prefix) => tracing::info!(%isp, %prefix, "former prefix: its grace is over"),
            Turn::Refused(reason) => {
                tracing::warn!(%isp, "prefix not taken: {reason}");
                self.events.tell(Event::PrefixRefused { isp: isp.clone(), reason: reason.clone() });
            }
        }
    }
}
