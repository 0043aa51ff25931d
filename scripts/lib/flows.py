#!/usr/bin/env python3
"""Clients for the lab whose flows are watched one by one; the servers are those of traffic.py.

Each verb runs inside one namespace, is bounded in count and time, and prints JSON.
"""

import argparse
import asyncio
import errno
import hashlib
import ipaddress
import json
import random
import select
import selectors
import socket
import struct
import sys
import time

from traffic import BUFFER, IPV6_FREEBIND, TCP_PORT, UDP_PORT, addresses

# The largest multiple of eight behind an IPv6 and a fragment header in 1500 octets.
FRAGMENT = 1448
# Crafted datagrams whose fragments are mixed with each other.
MIXED = 4


def texts(prefix, count):
    return [str(ipaddress.IPv6Address(packed)) for packed in addresses(prefix, count)]


def bound(kind, source, port=0):
    """A socket with this source address, whether or not it is one of the host's."""
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    # A port that was written out may still be in TIME_WAIT.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(port != 0))
    sock.bind((source, port))
    return sock


def reach(words):
    """Many TCP connections at once, each from a port of its own, to all targets in turn; each has its echo compared."""
    sources = texts(words.sources, words.source_count)
    failures = []
    connected = 0

    async def one(number, gate):
        nonlocal connected
        source, target = sources[number % len(sources)], words.targets[number % len(words.targets)]
        payload = hashlib.sha256(b"%d" % number).digest() * 16
        async with gate:
            try:
                sock = bound(socket.SOCK_STREAM, source, words.first_port + number)
                sock.setblocking(False)
                await asyncio.get_running_loop().sock_connect(sock, (target, TCP_PORT))
                reader, writer = await asyncio.open_connection(sock=sock)
                seen = (await reader.readline()).decode().strip()
                writer.write(payload)
                echo = await reader.readexactly(len(payload))
                writer.close()
                if (seen, echo) != (source, payload):
                    raise OSError(f"the server saw {seen}, and the echo is {'right' if echo == payload else 'wrong'}")
                connected += 1
            except (OSError, EOFError) as problem:
                failures.append(f"{source} -> {target}: {problem!r}")

    async def all_of_them():
        gate = asyncio.Semaphore(words.at_once)
        await asyncio.wait_for(asyncio.gather(*(one(i, gate) for i in range(words.count))), words.timeout)

    asyncio.run(all_of_them())
    print(json.dumps({"connected": connected, "failures": failures[:5]}))


def survey(words):
    """Where the servers at many addresses see one client: one TCP connection to each."""
    seen = {}
    for target in texts(words.targets, words.count):
        with bound(socket.SOCK_STREAM, words.source) as sock:
            sock.settimeout(words.timeout)
            sock.connect((target, TCP_PORT))
            seen[target] = sock.makefile().readline().strip()
    print(json.dumps(seen))


class Flow:
    """One flow of `live`."""

    def __init__(self, kind, source, target):
        self.sock = bound(kind, source)
        self.stream = kind == socket.SOCK_STREAM
        self.sock.settimeout(5)
        self.sock.connect((target, TCP_PORT if self.stream else UDP_PORT))
        if self.stream:
            self.sock.makefile().readline()
        self.sock.setblocking(False)
        self.name = ("tcp" if self.stream else "udp", self.sock.getsockname()[1], target)
        self.echoes = 0
        self.broken = None

    def attempt(self, action):
        try:
            action()
        except BlockingIOError:
            pass
        except OSError as problem:
            # A datagram that could not be delivered ends nothing.
            if self.stream:
                self.broken = repr(problem)

    def receive(self):
        data = self.sock.recv(65536)
        if self.stream and not data:
            self.broken = "closed by the server"
        self.echoes += len(data) // 16


def live(words):
    """TCP connections and UDP flows that send something every 100 ms until the standard input ends. A line is
    answered with the echoes of each flow since the last line."""
    tcp = [Flow(socket.SOCK_STREAM, words.source, target) for target in texts(words.targets, words.tcp)]
    flows = tcp + [Flow(socket.SOCK_DGRAM, words.source, target) for target in texts(words.targets, words.udp)]
    selector = selectors.DefaultSelector()
    for flow in flows:
        selector.register(flow.sock, selectors.EVENT_READ, flow)
    selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
    print(json.dumps({"ready": True}), flush=True)
    end = time.monotonic() + words.timeout
    due = time.monotonic()
    while (now := time.monotonic()) < end:
        if now >= due:
            due += 0.1
            for flow in flows:
                if not flow.broken:
                    flow.attempt(lambda: flow.sock.send(b"sixways flows..."))
        for key, _ in selector.select(max(0, due - time.monotonic())):
            if (flow := key.data) is None:
                if not sys.stdin.readline():
                    return
                print(json.dumps([[*flow.name, flow.echoes, flow.broken] for flow in flows]), flush=True)
                for flow in flows:
                    flow.echoes = 0
            elif not flow.broken:
                flow.attempt(flow.receive)
                if flow.broken:
                    selector.unregister(flow.sock)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def fragments(source, target, ports, payload, identification):
    """The IPv6 packets of one UDP datagram, in order."""
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    length = 8 + len(payload)
    pseudo = ends + struct.pack("!II", length, socket.IPPROTO_UDP)
    header = struct.pack("!HHH", *ports, length)
    total = checksum(pseudo + header + b"\0\0" + payload + b"\0" * (length % 2)) or 0xFFFF
    datagram = header + struct.pack("!H", total) + payload
    packets = []
    for offset in range(0, length, FRAGMENT):
        part = datagram[offset : offset + FRAGMENT]
        more = int(offset + FRAGMENT < length)
        fixed = struct.pack("!IHBB", 6 << 28, 8 + len(part), socket.IPPROTO_FRAGMENT, 64) + ends
        packets.append(fixed + struct.pack("!BBHI", socket.IPPROTO_UDP, 0, offset | more, identification) + part)
    return packets


def crafted(order, batch):
    """The fragments of some datagrams in the order that is asked for."""
    if order == "reversed":
        return [packet for packets in batch for packet in reversed(packets)]
    # The rest first, each datagram's first fragment last of all; or no order at all.
    mixed = [packet for packets in batch for packet in (packets if order == "shuffled" else packets[1:])]
    random.shuffle(mixed)
    return mixed + ([packets[0] for packets in batch] if order == "first-last" else [])


def datagrams(words):
    """Large UDP datagrams by one flow, fragmented by the kernel or here in another order; the echoes are compared."""
    sock = bound(socket.SOCK_DGRAM, words.source, words.source_port)
    sock.setsockopt(socket.SOL_SOCKET, 33, BUFFER)
    raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    ports = (words.source_port, UDP_PORT)
    first = random.getrandbits(31)
    payloads = [struct.pack("!Q", i) + random.randbytes(words.size - 8) for i in range(words.count)]
    missing = set(range(words.count))
    wrong = 0

    def drain(wait):
        nonlocal wrong
        while select.select([sock], [], [], wait)[0]:
            data, sender = sock.recvfrom(65535)
            number = struct.unpack("!Q", data[:8])[0]
            if sender[:2] == (words.target, UDP_PORT) and number in missing and data == payloads[number]:
                missing.discard(number)
            else:
                wrong += 1
            if not missing:
                return

    for start in range(0, words.count, MIXED):
        numbers = range(start, min(start + MIXED, words.count))
        if words.order == "kernel":
            for number in numbers:
                sock.sendto(payloads[number], (words.target, UDP_PORT))
        else:
            batch = [fragments(words.source, words.target, ports, payloads[i], first + i) for i in numbers]
            for packet in crafted(words.order, batch):
                raw.sendto(packet, (words.target, 0))
        drain(0.02)
    deadline = time.monotonic() + words.timeout
    while missing and (left := deadline - time.monotonic()) > 0:
        drain(left)
    print(json.dumps({"sent": words.count, "answered": words.count - len(missing), "wrong": wrong}))


def knock(words):
    """One TCP connection attempt: how it ended, and after how long."""
    start = time.monotonic()
    with bound(socket.SOCK_STREAM, words.source) as sock:
        sock.settimeout(words.timeout)
        try:
            sock.connect((words.target, words.port))
            outcome = "connected"
        except TimeoutError:
            outcome = "silence"
        except OSError as problem:
            outcome = errno.errorcode[problem.errno]
    print(json.dumps({"outcome": outcome, "seconds": time.monotonic() - start}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)

    def verb(run, timeout, *required):
        sub = verbs.add_parser(run.__name__)
        sub.set_defaults(run=run)
        sub.add_argument("--timeout", type=float, default=timeout, help="seconds")
        for name in required:
            number = name in ("port", "count", "source-port", "size", "tcp", "udp", "source-count", "first-port")
            sub.add_argument(f"--{name}", type=int if number else str, required=True)
        return sub

    sub = verb(reach, 30, "sources", "source-count", "count", "first-port")
    sub.add_argument("--at-once", type=int, default=48)
    sub.add_argument("targets", nargs="+")
    verb(survey, 5, "source", "targets", "count")
    verb(live, 300, "source", "targets", "tcp", "udp")
    sub = verb(datagrams, 2, "source", "source-port", "target", "size", "count")
    sub.add_argument("--order", choices=("kernel", "reversed", "shuffled", "first-last"), default="kernel")
    verb(knock, 30, "source", "target", "port")
    words = parser.parse_args()
    words.run(words)


if __name__ == "__main__":
    main()
