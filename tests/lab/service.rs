//! The gateway as a service: what configs/sixways.service says, and a supervisor that listens as systemd does.

#[path = "../common/unit.rs"]
mod unit;

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

pub use unit::setting;

use super::Lab;

/// What systemd waits before it starts the gateway again.
pub fn restart_pause() -> Duration {
    let millis = setting("RestartSec").strip_suffix("ms").and_then(|number| number.parse().ok());
    Duration::from_millis(millis.expect("a number of milliseconds"))
}

/// Its socket.
pub struct Supervisor {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Supervisor {
    /// Listens where the gateways of `lab` tell that start from now on.
    pub fn listen(lab: &Lab) -> Self {
        let path = lab.dir.join("supervisor");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        Self { socket, path }
    }

    /// Waits until it is told `state`.
    #[track_caller]
    pub fn hears(&self, state: &str) {
        let mut text = [0; 64];
        loop {
            let length = self.socket.recv(&mut text).unwrap_or_else(|error| panic!("no {state}: {error}"));
            if &text[..length] == state.as_bytes() {
                return;
            }
        }
    }

    /// Forgets what it has been told.
    pub fn forget(&self) {
        self.all();
    }

    /// How often it was told `state` since it last forgot.
    pub fn heard(&self, state: &str) -> usize {
        self.all().iter().filter(|told| *told == state).count()
    }

    fn all(&self) -> Vec<String> {
        self.socket.set_nonblocking(true).expect("a mode");
        let mut text = [0; 64];
        let mut told = Vec::new();
        while let Ok(length) = self.socket.recv(&mut text) {
            told.push(String::from_utf8_lossy(&text[..length]).into_owned());
        }
        self.socket.set_nonblocking(false).expect("a mode");
        told
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Fails only if the lab is gone already.
        let _ = std::fs::remove_file(&self.path);
    }
}
