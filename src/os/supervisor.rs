//! What systemd and the like want to hear (`sd_notify(3)`): a datagram to the socket that they name.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The supervisor, if there is one that listens.
#[derive(Debug)]
pub struct Supervisor(Option<(UnixDatagram, SocketAddr)>);

impl Supervisor {
    /// That of `NOTIFY_SOCKET` in the environment.
    ///
    /// # Errors
    /// When the variable names no socket, or the process has no descriptor left.
    pub fn of_environment() -> io::Result<Self> {
        std::env::var_os("NOTIFY_SOCKET").map_or(Ok(Self(None)), |path| Self::at(&path))
    }

    /// That of the socket at `path`; a first `@` stands for the abstract namespace.
    fn at(path: &OsStr) -> io::Result<Self> {
        let address = match path.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(path)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self(Some((socket, address))))
    }

    /// Tells it, like `READY=1`. Never waits; a supervisor that does not listen misses it.
    pub fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.0 {
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_arrives_and_nobody_to_tell_is_no_error() {
        Supervisor(None).tell("READY=1");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let name = format!("sixways-test-{}", std::process::id());
        let hidden = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (listener, place) in [(listener, path.into_os_string()), (hidden, format!("@{name}").into())] {
            let supervisor = Supervisor::at(&place).unwrap();
            supervisor.tell("READY=1");
            let mut text = [0; 16];
            let length = listener.recv(&mut text).unwrap();
            assert_eq!(&text[..length], b"READY=1");
            drop(listener);
            supervisor.tell("WATCHDOG=1");
        }
    }
}
