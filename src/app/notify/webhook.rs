//! Posts each event to a web server.

use std::thread;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use crate::control::events::Entry;
use crate::limits::{NOTIFY_RETRY_NANOS, NOTIFY_TRIES};

/// The server.
#[derive(Debug)]
pub(super) struct Webhook {
    agent: Agent,
    url: String,
}

impl Webhook {
    /// Nothing is asked of it yet.
    pub(super) fn new(url: String, timeout: Duration) -> Self {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(tls)
            .user_agent(concat!("sixways/", env!("CARGO_PKG_VERSION")));
        Self { agent: config.build().into(), url }
    }

    /// Posts an event. The outage that it is about may be in its own way: so it is tried again after a while.
    ///
    /// # Errors
    /// When the server does not take it; in words that do not hold the URL, which may be a secret.
    pub(super) fn post(&self, entry: &Entry) -> Result<(), String> {
        let json = serde_json::to_vec(entry).map_err(|error| error.to_string())?;
        let mut last = String::new();
        for attempt in 0..NOTIFY_TRIES {
            if attempt > 0 {
                thread::sleep(Duration::from_nanos(NOTIFY_RETRY_NANOS));
            }
            match self.agent.post(&self.url).content_type("application/json").send(&json[..]) {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => last = format!("the server answered {}", answer.status()),
                Err(error) => last = error.to_string(),
            }
        }
        Err(last)
    }
}
