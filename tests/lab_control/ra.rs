//! A router advertisement, sent as a real router sends it.

use std::ffi::CString;
use std::io;
use std::mem::size_of;
use std::sync::Arc;

use super::lab::Lab;

/// Sends one from `eth0` of `role`, with the given router lifetime in seconds and preference
/// bits (RFC 4191: 0b01 high, 0b00 medium, 0b11 low).
pub fn advertise(lab: &Arc<Lab>, role: &'static str, lifetime: u16, preference: u8) {
    let lab = Arc::clone(lab);
    let sent = std::thread::spawn(move || {
        lab.enter(role);
        send(lifetime, preference)
    });
    sent.join().expect("the sender").expect("a router advertisement");
}

fn send(lifetime: u16, preference: u8) -> io::Result<()> {
    let [high, low] = lifetime.to_be_bytes();
    // Type 134, code 0, checksum by the kernel, hop limit 64, flags, lifetime; no timers.
    let message = [134, 0, 0, 0, 64, preference << 3, high, low, 0, 0, 0, 0, 0, 0, 0, 0];
    let device = CString::new("eth0").expect("no zero inside");
    // SAFETY: plain socket calls; every pointer is to a local value of the length given.
    unsafe {
        let socket = check(libc::socket(libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6))?;
        let index = libc::if_nametoindex(device.as_ptr());
        let hops: libc::c_int = 255;
        for (option, value) in [(libc::IPV6_MULTICAST_HOPS, hops), (libc::IPV6_MULTICAST_IF, index as libc::c_int)] {
            let len = size_of::<libc::c_int>() as libc::socklen_t;
            check(libc::setsockopt(socket, libc::IPPROTO_IPV6, option, (&raw const value).cast(), len))?;
        }
        let mut to: libc::sockaddr_in6 = std::mem::zeroed();
        to.sin6_family = libc::AF_INET6 as libc::sa_family_t;
        to.sin6_addr.s6_addr = "ff02::1".parse::<std::net::Ipv6Addr>().expect("an address").octets();
        to.sin6_scope_id = index;
        let len = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
        let sent = libc::sendto(socket, message.as_ptr().cast(), message.len(), 0, (&raw const to).cast(), len);
        let result = check(sent as libc::c_int).map(|_| ());
        libc::close(socket);
        result
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
