//! Who is told what happens.

use std::os::unix::fs::PermissionsExt;

use serde::Serialize;

use crate::control::config::{Config, span};
use crate::control::events::Event;

/// What `[notify]` comes to.
#[derive(Debug, Serialize)]
pub struct NotifyReport {
    exec: Option<Vec<String>>,
    webhook: Option<String>,
    events: Vec<&'static str>,
    timeout_seconds: f64,
    events_per_minute: u32,
    #[serde(skip)]
    timeout: String,
}

impl NotifyReport {
    pub fn new(config: &Config) -> Option<Self> {
        let notify = config.notify.as_ref()?;
        Some(Self {
            exec: notify.exec.clone(),
            webhook: notify.webhook.clone(),
            events: notify.events.clone(),
            timeout_seconds: std::time::Duration::from_nanos(notify.timeout.0).as_secs_f64(),
            events_per_minute: notify.rate,
            timeout: span::show(notify.timeout),
        })
    }

    /// One line for each addressee, then what both are told.
    pub fn lines(&self) -> Vec<String> {
        let events = match Event::KINDS.len() - self.events.len() {
            0 => "every event".to_owned(),
            1 if !self.events.contains(&"traffic") => "every event but traffic".to_owned(),
            _ => self.events.join(", "),
        };
        let exec = self.exec.as_ref().map(|command| format!("runs {}", command.join(" ")));
        let webhook = self.webhook.as_ref().map(|url| format!("posts to {url}"));
        let limits = format!("{events}; {} for each, {} a minute at most", self.timeout, self.events_per_minute);
        exec.into_iter().chain(webhook).chain([limits]).collect()
    }
}

/// A program that is not on this machine, or that nobody may run.
pub fn lints(config: &Config) -> Vec<String> {
    let program = config.notify.as_ref().and_then(|notify| notify.exec.as_ref()?.first());
    let Some(program) = program else { return Vec::new() };
    match std::fs::metadata(program) {
        Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => Vec::new(),
        Ok(_) => vec![format!("[notify] exec: {program} is no program; chmod +x makes a script one")],
        Err(error) => vec![format!("[notify] exec: {program} is not on this machine ({error})")],
    }
}
