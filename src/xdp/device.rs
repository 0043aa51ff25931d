//! Questions about a network device that ioctls answer, in the namespace of the caller.
//!
//! Ioctls rather than `/sys`: a mounted sysfs shows the namespace it was mounted in.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A socket that carries ioctls about devices.
#[derive(Debug)]
pub struct Device {
    socket: OwnedFd,
}

impl Device {
    /// Opens the socket, in the network namespace of the calling thread. No privilege needed.
    ///
    /// # Errors
    ///
    /// No descriptor left.
    pub fn open() -> io::Result<Self> {
        // SAFETY: no pointer is involved.
        let fd = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(Self { socket: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Whether `interface` is up and has carrier. False if there is none of that name.
    pub fn is_running(&self, interface: &str) -> bool {
        self.flags(interface).is_ok_and(|flags| flags & libc::IFF_RUNNING != 0)
    }

    fn flags(&self, interface: &str) -> io::Result<libc::c_int> {
        let mut request = request(interface)?;
        self.ioctl(libc::SIOCGIFFLAGS, &mut request)?;
        // SAFETY: the kernel has filled in this member; every bit pattern is valid.
        Ok(libc::c_int::from(unsafe { request.ifr_ifru.ifru_flags }))
    }

    /// An ethtool command, whose struct is at the start of `words`: every ethtool struct is made
    /// of whole words or of octets.
    ///
    /// # Safety
    ///
    /// The kernel writes the command's struct and the table after it, whatever the length of
    /// `words` is: there must be room for both.
    pub(super) unsafe fn ethtool(&self, interface: &str, words: &mut [u32]) -> io::Result<()> {
        let mut request = request(interface)?;
        request.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
        self.ioctl(libc::SIOCETHTOOL, &mut request)
    }

    fn ioctl(&self, command: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
        // SAFETY: the commands used here read and write one `ifreq`, to which the pointer is; what
        // an ethtool command writes besides has room by the contract of `ethtool`.
        let result = unsafe { libc::ioctl(self.socket.as_raw_fd(), command, std::ptr::from_mut(request)) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

fn request(interface: &str) -> io::Result<libc::ifreq> {
    // SAFETY: the struct is made of integers and a pointer, for which zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last octet stays 0: the kernel wants an end.
    if interface.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from.cast_signed();
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_running_and_nothing_else_by_that_name() {
        let device = Device::open().unwrap();
        assert!(device.flags("lo").is_ok());
        for name in ["nonesuch0", "", "a-name-that-is-too-long-for-an-interface"] {
            assert!(!device.is_running(name));
            assert_eq!(device.flags(name).unwrap_err().raw_os_error(), Some(libc::ENODEV), "{name}");
        }
    }
}
