//! A packet socket that hears neighbour discovery on one device, and sends by it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

/// What of a packet is not in its bytes, as classic BPF reads it (`linux/filter.h`).
const ANCILLARY: u32 = libc::SKF_AD_OFF.cast_unsigned();
const PACKET_TYPE: u32 = ANCILLARY + libc::SKF_AD_PKTTYPE.cast_unsigned();
const VLAN_TAG: u32 = ANCILLARY + libc::SKF_AD_VLAN_TAG.cast_unsigned();

/// Instructions: load into the accumulator, compare it, return.
const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

const ICMPV6: u32 = 58;
const SOLICITATION: u32 = 135;
const ADVERTISEMENT: u32 = 136;

const fn step(code: u32, if_so: u8, if_not: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: if_so, jf: if_not, k }
}

/// Lets ICMPv6 messages of this type in that are for this device or for a group, and of no VLAN: one
/// whose device does not exist is shown to its port.
const fn filter(kind: u32) -> [libc::sock_filter; 12] {
    [
        step(LOAD_WORD, 0, 0, VLAN_TAG),
        step(AND, 0, 0, 0xfff),
        step(IF_EQUAL, 0, 8, 0),
        step(LOAD_WORD, 0, 0, PACKET_TYPE),
        step(IF_EQUAL, 1, 0, libc::PACKET_HOST as u32),
        step(IF_EQUAL, 0, 5, libc::PACKET_MULTICAST as u32),
        step(LOAD_BYTE, 0, 0, 20),
        step(IF_EQUAL, 0, 3, ICMPV6),
        step(LOAD_BYTE, 0, 0, 54),
        step(IF_EQUAL, 0, 1, kind),
        step(RETURN, 0, 0, 0xffff),
        step(RETURN, 0, 0, 0),
    ]
}

/// What ends a wait. The end of a device is an error and nothing to read.
const WAKING: Interest = Interest::READABLE.add(Interest::ERROR);

/// The socket.
#[derive(Debug)]
pub struct PacketSocket(AsyncFd<File>);

impl PacketSocket {
    /// A socket on the device `ifindex` of the calling thread's network namespace that never
    /// blocks, in the current tokio runtime. It hears Neighbor Solicitations, and while it is open its
    /// device takes in the frames of every group.
    ///
    /// # Errors
    /// Without CAP_NET_RAW, without the device, or without a descriptor.
    pub fn solicitations(ifindex: u32) -> io::Result<Self> {
        let ifindex = index(ifindex)?;
        let socket = open(filter(SOLICITATION))?;
        let every_group = libc::packet_mreq {
            mr_ifindex: ifindex,
            mr_type: libc::PACKET_MR_ALLMULTI as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        set(&socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &every_group)?;
        Self::bound(socket, ifindex)
    }

    /// Likewise, for Neighbor Advertisements that are for this device.
    ///
    /// # Errors
    /// As for [`PacketSocket::solicitations`].
    pub fn advertisements(ifindex: u32) -> io::Result<Self> {
        Self::bound(open(filter(ADVERTISEMENT))?, index(ifindex)?)
    }

    fn bound(socket: OwnedFd, ifindex: i32) -> io::Result<Self> {
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: (libc::ETH_P_IPV6 as u16).to_be(),
            sll_ifindex: ifindex,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let length = size_of_val(&address) as libc::socklen_t;
        // SAFETY: the pointer and the length describe one valid address.
        check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
        // SAFETY: the file is the only owner of its descriptor, which it neither closes nor changes
        // before it is dropped.
        Ok(Self(unsafe { AsyncFd::register_with_interest(socket.into(), WAKING) }?))
    }

    /// Returns when there may be a frame or an error; [`PacketSocket::receive`] tells. The guard is to
    /// be cleared once there is neither.
    ///
    /// # Errors
    /// When the runtime ends.
    pub async fn ready(&self) -> io::Result<AsyncFdReadyGuard<'_, File>> {
        self.0.ready(WAKING).await
    }

    /// The next frame, cut to the length of `frame`; its length.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when there is none; `ENETDOWN` when the device went down, or for
    /// good.
    pub fn receive(&self, frame: &mut [u8]) -> io::Result<usize> {
        self.0.get_ref().read(frame)
    }

    /// Sends `frame`, Ethernet header included.
    ///
    /// # Errors
    /// When the device is down or its queue is full.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.0.get_ref().write(frame).map(drop)
    }
}

fn index(ifindex: u32) -> io::Result<i32> {
    i32::try_from(ifindex).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))
}

/// A packet socket that hears nothing yet.
fn open(mut filter: [libc::sock_filter; 12]) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: takes no pointers. Protocol 0: it hears nothing yet.
    let fd = check(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
    // SAFETY: the descriptor is new and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    set(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)?;
    Ok(socket)
}

fn set<T>(socket: &OwnedFd, level: i32, option: i32, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe one valid value, which the kernel copies; where it
    // is a filter's, what that points to is alive as well.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, std::ptr::from_ref(value).cast(), length) })
        .map(drop)
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
