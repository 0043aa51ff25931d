#!/usr/bin/env python3
"""VLANs for a kernel that knows none: `vlan.py TRUNK DEVICE=VLAN...`

Stands in for the kernel's 802.1Q: what comes in by a DEVICE leaves by TRUNK with the tag of its VLAN,
and what comes in by TRUNK with that tag leaves by the DEVICE without it. VLAN 0 are the frames
without a tag. Where TRUNK is the port of a gateway, each DEVICE is the far end of a veth that plays
the kernel's device for the VLAN, and what this program sees is what the gate left to the kernel,
tag and all; where it is the port of a switch, each DEVICE leads to a host.

Says `ready` and goes on until it is killed.
"""

import select
import socket
import struct
import sys

ETH_P_ALL = 3
ETH_P_8021Q = 0x8100
SOL_PACKET = 263
PACKET_AUXDATA = 8
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
# struct tpacket_auxdata: status, len, snaplen, mac, net, vlan_tci, vlan_tpid
AUXDATA = struct.Struct("=IIIHHHH")
STATUS_VLAN_VALID = 1 << 4
OUTGOING = 4
LONGEST = 65_535
BUFFER = 8 << 20


def listen(device):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    for option in (SO_SNDBUFFORCE, SO_RCVBUFFORCE):
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER)
    sock.setblocking(False)
    sock.bind((device, ETH_P_ALL))
    return sock


def receive(sock):
    """One frame without its tag, and the tag; `None` for what this machine sends by the device, and for
    service VLANs (802.1ad), which are another thing."""
    frame, ancillary, _, address = sock.recvmsg(LONGEST, 256)
    if address[2] == OUTGOING:
        return None
    # The kernel takes the first tag out of the frame and tells it beside.
    for level, kind, data in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tag, kind_of_tag = AUXDATA.unpack(data[: AUXDATA.size])
            if status & STATUS_VLAN_VALID and kind_of_tag != ETH_P_8021Q:
                return None
            return frame, tag if status & STATUS_VLAN_VALID else 0
    return frame, 0


def send(sock, frame):
    try:
        sock.send(frame)
    except OSError:
        # As on a wire: a device that is down, full or too narrow loses the frame.
        pass


def main(trunk_name, *ports):
    trunk = listen(trunk_name)
    by_vlan, by_socket = {}, {}
    for port in ports:
        device, vlan = port.split("=")
        sock = listen(device)
        by_vlan[int(vlan)], by_socket[sock] = sock, int(vlan)
    poll = select.poll()
    sockets = {sock.fileno(): sock for sock in (trunk, *by_socket)}
    for descriptor in sockets:
        poll.register(descriptor, select.POLLIN)
    print("ready", flush=True)
    while True:
        for descriptor, _ in poll.poll():
            sock = sockets[descriptor]
            for _ in range(64):
                try:
                    received = receive(sock)
                except BlockingIOError:
                    break
                except OSError:
                    # The device went down, or is gone: that is told once.
                    break
                if received is None:
                    continue
                frame, tag = received
                if sock is trunk:
                    # A frame with nothing but a priority is untagged.
                    if (access := by_vlan.get(tag & 0xFFF)) is not None:
                        send(access, frame)
                elif (vlan := by_socket[sock]) == 0:
                    send(trunk, frame)
                else:
                    send(trunk, frame[:12] + struct.pack("!HH", ETH_P_8021Q, vlan) + frame[12:])


if __name__ == "__main__":
    main(*sys.argv[1:])
