//! Questions about a network device that ioctls answer, in the namespace of the caller.
//!
//! Ioctls rather than `/sys`: a mounted sysfs shows the namespace it was mounted in.

#![allow(unsafe_code)]

use std::ffi::CStr;
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

    /// The interface's `IFF_` flags.
    ///
    /// # Errors
    ///
    /// ENODEV: there is none of that name.
    pub fn flags(&self, interface: &str) -> io::Result<libc::c_int> {
        let mut request = request(interface)?;
        self.ioctl(libc::SIOCGIFFLAGS, &mut request)?;
        // SAFETY: the kernel has filled in this member; every bit pattern is valid.
        Ok(libc::c_int::from(unsafe { request.ifr_ifru.ifru_flags }))
    }

    /// The interface's index.
    ///
    /// # Errors
    ///
    /// ENODEV: there is none of that name.
    pub fn index(&self, interface: &str) -> io::Result<u32> {
        let mut request = request(interface)?;
        self.ioctl(libc::SIOCGIFINDEX, &mut request)?;
        // SAFETY: as in `flags`.
        Ok(unsafe { request.ifr_ifru.ifru_ifindex }.unsigned_abs())
    }

    /// The name of the interface with an index.
    ///
    /// # Errors
    ///
    /// ENODEV: there is none.
    pub fn name(&self, index: u32) -> io::Result<String> {
        let mut request = request("")?;
        request.ifr_ifru.ifru_ifindex = index.cast_signed();
        self.ioctl(libc::SIOCGIFNAME, &mut request)?;
        // SAFETY: the kernel has written a name that ends with a zero within the array.
        let name = unsafe { CStr::from_ptr(request.ifr_name.as_ptr()) };
        Ok(name.to_string_lossy().into_owned())
    }

    /// The interface's MTU in octets.
    ///
    /// # Errors
    ///
    /// ENODEV: there is none of that name.
    pub fn mtu(&self, interface: &str) -> io::Result<u32> {
        let mut request = request(interface)?;
        self.ioctl(libc::SIOCGIFMTU, &mut request)?;
        // SAFETY: as in `flags`.
        Ok(unsafe { request.ifr_ifru.ifru_mtu }.unsigned_abs())
    }

    /// The interface's kind of link, `ARPHRD_ETHER` for Ethernet.
    ///
    /// # Errors
    ///
    /// ENODEV: there is none of that name.
    pub fn link_type(&self, interface: &str) -> io::Result<u16> {
        let mut request = request(interface)?;
        self.ioctl(libc::SIOCGIFHWADDR, &mut request)?;
        // SAFETY: as in `flags`.
        Ok(unsafe { request.ifr_ifru.ifru_hwaddr }.sa_family)
    }

    fn ioctl(&self, command: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
        // SAFETY: the commands used here read and write one `ifreq`, to which the pointer is.
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
    fn loopback_tells_about_itself() {
        let device = Device::open().unwrap();
        let index = device.index("lo").unwrap();
        assert_eq!(device.name(index).unwrap(), "lo");
        assert_eq!(device.link_type("lo").unwrap(), libc::ARPHRD_LOOPBACK);
        assert!(device.mtu("lo").unwrap() >= 1280);
    }

    #[test]
    fn missing_interfaces_are_errors_not_panics() {
        let device = Device::open().unwrap();
        assert!(!device.is_running("nonesuch0"));
        for name in ["nonesuch0", "", "a-name-that-is-too-long-for-an-interface"] {
            let error = device.mtu(name).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENODEV), "{name}");
        }
    }
}
