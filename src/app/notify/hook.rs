//! Runs a program for each event.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::control::events::Entry;
use crate::os;

/// The program.
#[derive(Debug)]
pub(super) struct Hook {
    command: Vec<String>,
    timeout: Duration,
}

impl Hook {
    /// `command` is a program and its arguments.
    pub(super) fn new(command: Vec<String>, timeout: Duration) -> Self {
        Self { command, timeout }
    }

    /// Runs it and waits for its end. It has the event as JSON on standard input, and each field in the
    /// environment; what it says on standard error goes where the gateway's log goes.
    ///
    /// # Errors
    /// When it does not start, fails, or takes too long; in words.
    pub(super) fn run(&self, entry: &Entry) -> Result<(), String> {
        let Some((program, arguments)) = self.command.split_first() else { return Ok(()) };
        let json = serde_json::to_value(entry).map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args(arguments).envs(variables(&json)).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = os::start_group(&mut command).map_err(|error| format!("{program}: {error}"))?;
        if let Some(mut input) = child.stdin.take() {
            let line = format!("{json}\n");
            // Who does not read fills a pipe at most, and closes it when it ends.
            std::thread::spawn(move || input.write_all(line.as_bytes()));
        }
        match os::finish_group(child, self.timeout) {
            Ok(Some(status)) if status.success() => Ok(()),
            Ok(Some(status)) => Err(format!("{program}: {status}")),
            Ok(None) => Err(format!("{program}: no end within {:?}; killed", self.timeout)),
            Err(error) => Err(format!("{program}: {error}")),
        }
    }
}

/// `SIXWAYS_KIND` and the like: texts and numbers as they are, everything else as JSON.
fn variables(json: &Value) -> Vec<(String, String)> {
    let fields = json.as_object().into_iter().flatten();
    let variable = |(name, value): (&String, &Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (format!("SIXWAYS_{}", name.to_uppercase()), value)
    };
    // What no environment can hold.
    fields.map(variable).filter(|(_, value)| !value.contains('\0')).collect()
}
