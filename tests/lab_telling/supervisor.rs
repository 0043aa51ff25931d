//! A supervisor that listens as systemd does.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::lab::Lab;

/// Its socket.
pub struct Supervisor(UnixDatagram);

impl Supervisor {
    /// Listens where the next gateway of `lab` tells.
    pub fn listen(lab: &Lab) -> Self {
        let socket = UnixDatagram::bind(lab.dir.join("supervisor")).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        Self(socket)
    }

    /// Waits until it is told `state`.
    #[track_caller]
    pub fn hears(&self, state: &str) {
        let mut text = [0; 64];
        loop {
            let length = self.0.recv(&mut text).unwrap_or_else(|error| panic!("no {state}: {error}"));
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
        self.0.set_nonblocking(true).expect("a mode");
        let mut text = [0; 64];
        let mut told = Vec::new();
        while let Ok(length) = self.0.recv(&mut text) {
            told.push(String::from_utf8_lossy(&text[..length]).into_owned());
        }
        self.0.set_nonblocking(false).expect("a mode");
        told
    }
}
