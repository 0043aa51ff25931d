#!/usr/bin/env python3
"""Traffic for the lab: the server beyond both ISPs, and clients that use many addresses.

Each verb runs inside one namespace, is bounded in count and time, and prints one JSON object.
"""

import argparse
import collections
import contextlib
import http.server
import ipaddress
import json
import os
import select
import socket
import socketserver
import struct
import sys
import threading
import time

UDP_PORT = 9000
TCP_PORT = 9001
HTTP_PORT = 8080
# <linux/in6.h>; the socket module does not name it.
IPV6_FREEBIND = 78
PKTINFO_SPACE = socket.CMSG_SPACE(20)
BUFFER = 16 << 20
# Datagrams of a burst that are sent without a look at what comes back.
STRIDE = 32


def prefix_of(address):
    """The /48 that an address lies in: which ISP, as the server sees it."""
    return str(ipaddress.IPv6Network((int(ipaddress.IPv6Address(address)) >> 80 << 80, 48)))


def udp_socket():
    """A socket that may use any address as source and tells which address it was reached at."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    # SO_RCVBUFFORCE and SO_SNDBUFFORCE: the lab's root is not held to the system's limits.
    sock.setsockopt(socket.SOL_SOCKET, 33, BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, 32, BUFFER)
    return sock


def receive(sock):
    """One datagram: payload, sender, and the address that it was sent to (packed)."""
    data, control, _, sender = sock.recvmsg(65535, PKTINFO_SPACE)
    return data, sender, control[0][2][:16]


def send(sock, data, source, destination):
    """One datagram from a source address (packed)."""
    pktinfo = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, source + b"\0\0\0\0")
    sock.sendmsg([data], [pktinfo], 0, destination)


class Tally:
    """What the server has seen, by the /48 that it came from."""

    def __init__(self):
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        with self.lock:
            self.packets = collections.Counter()
            self.pairs = collections.Counter()
            self.octets = collections.Counter()

    def datagram(self, source, destination, size):
        with self.lock:
            self.packets[source] += 1
            self.octets[source] += size
            self.pairs[source, destination] += 1

    def report(self):
        with self.lock:
            prefixes = collections.defaultdict(lambda: {"packets": 0, "octets": 0, "addresses": 0, "pairs": 0, "examples": []})
            for source, packets in self.packets.items():
                entry = prefixes[prefix_of(source)]
                entry["packets"] += packets
                entry["octets"] += self.octets[source]
                entry["addresses"] += 1
                if len(entry["examples"]) < 3:
                    entry["examples"].append(source)
            for source, _ in self.pairs:
                prefixes[prefix_of(source)]["pairs"] += 1
            return prefixes


def serve_udp(tally, echo):
    sock = udp_socket()
    sock.bind(("::", UDP_PORT))
    while True:
        data, sender, local = receive(sock)
        tally.datagram(sender[0], local, len(data))
        if echo:
            send(sock, data, local, sender)


class EchoTcp(socketserver.BaseRequestHandler):
    """First a line with the address that the server sees, then an echo until the client is done."""

    def handle(self):
        self.request.settimeout(60)
        # A client that is gone is no news: its own end tells.
        with contextlib.suppress(OSError):
            self.request.sendall(f"{self.client_address[0]}\n".encode())
            while data := self.request.recv(65536):
                self.request.sendall(data)


def numbered(count):
    """Blocks of 64 KiB, all different and the same each time: `count` octets."""
    for number in range(-(-count // 65536)):
        block = (b"%15d\n" % number) * 4096
        yield block[: count - number * 65536]


class Web(http.server.BaseHTTPRequestHandler):
    """`/whoami` tells the client's address, `/bytes/N` sends N octets, `/paced/RATE/N` N octets at a rate."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        words = self.path.split("/")
        count = int(words[-1]) if words[1] in ("bytes", "paced") else 0
        body = f"{self.client_address[0]}\n".encode() if count == 0 else b""
        self.send_response(200)
        self.send_header("Content-Length", str(count or len(body)))
        self.end_headers()
        self.wfile.write(body)
        if words[1] == "paced":
            return self.pace(count, float(words[2]))
        chunk = b"sixways " * 8192
        while count > 0:
            count -= self.wfile.write(chunk[:count])

    def pace(self, count, rate):
        due = time.monotonic()
        for block in numbered(count):
            self.wfile.write(block)
            due = max(due, time.monotonic() - 1) + len(block) / rate
            time.sleep(max(0, due - time.monotonic()))

    def log_message(self, *_):
        pass


class TcpServer(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024


def serve(words):
    """Serves until its standard input ends; a line `report` is answered, `reset` forgets."""
    tally = Tally()
    threading.Thread(target=serve_udp, args=(tally, words.echo), daemon=True).start()
    for port, handler in ((TCP_PORT, EchoTcp), (HTTP_PORT, Web)):
        threading.Thread(target=TcpServer(("::", port), handler).serve_forever, daemon=True).start()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        if line.strip() == "reset":
            tally.reset()
        print(json.dumps(tally.report()), flush=True)


def addresses(prefix, count):
    """`count` addresses of a prefix, spread over its interface identifiers, the same each time."""
    network = ipaddress.IPv6Network(prefix)
    if network.num_addresses == 1:
        return [network.network_address.packed] * count
    step = 0x9E37_79B9_7F4A_7C15 % network.num_addresses | 1
    return [network[(i + 1) * step % (network.num_addresses - 2) + 1].packed for i in range(count)]


def burst(words):
    """Datagrams over many (source, destination) pairs; counts the echoes that came back to the right pair.

    With a window, never more than so many are unanswered at a time: a busy machine makes the load slower and not
    lossy. Such a load runs beside its owner, and ends with a line on its standard input."""
    sources = addresses(words.sources, words.source_count)
    targets = [str(ipaddress.IPv6Address(packed)) for packed in addresses(words.destinations, words.destination_count)]
    pairs = [(source, target) for target in targets for source in sources]
    answered = bytearray(len(pairs) * words.repeat)
    sent = right = wrong = repeated = 0
    sock = udp_socket()
    sock.setblocking(False)

    def drain():
        nonlocal right, wrong, repeated
        while True:
            try:
                data, sender, local = receive(sock)
            except BlockingIOError:
                return
            index = struct.unpack("!Q", data[:8])[0]
            if index < len(answered) and pairs[index % len(pairs)] == (local, sender[0]):
                repeated += answered[index]
                right += not answered[index]
                answered[index] = 1
            else:
                wrong += 1

    def is_over():
        """Whether the owner says so; waits until there is room in the window, or for that word."""
        while True:
            is_full = sent - right > words.window - STRIDE
            readable = select.select([sys.stdin, sock] if is_full else [sys.stdin], [], [], None if is_full else 0)[0]
            drain()
            if sys.stdin in readable:
                return True
            if not is_full:
                return False

    if words.window:
        print(json.dumps({"ready": True}), flush=True)
    started = time.monotonic()
    padding = b"\0" * (words.size - 8)
    for index in range(len(answered)):
        source, target = pairs[index % len(pairs)]
        if index % STRIDE == 0:
            drain()
            if words.window and is_over():
                break
            ahead = index / words.rate - (time.monotonic() - started)
            if ahead > 0:
                time.sleep(ahead)
        try:
            send(sock, struct.pack("!Q", index) + padding, source, (target, words.port))
            sent += 1
        except OSError:
            continue
    elapsed = time.monotonic() - started
    deadline = time.monotonic() + words.wait
    while right < sent and (left := deadline - time.monotonic()) > 0:
        select.select([sock], [], [], left)
        drain()
    examples = [pair for pair, done in zip(pairs, answered) if done][:4]
    print(json.dumps({
        "pairs": len(set(pairs[: index + 1])), "sent": sent, "answered": right, "wrong": wrong, "repeated": repeated,
        "seconds": elapsed, "examples": [(str(ipaddress.IPv6Address(source)), target) for source, target in examples],
    }))


def connect(words):
    """TCP connections one after the other, each with its echo compared; tells by which ISP the server saw them."""
    sources = addresses(words.sources, words.count)
    targets = [str(ipaddress.IPv6Address(packed)) for packed in addresses(words.destinations, words.count)]
    seen = collections.Counter()
    failures = []
    connected = 0
    payload = bytes(range(256)) * (words.size // 256 + 1)
    payload = payload[:words.size]
    for source, target in zip(sources, targets):
        if len(failures) == 5:
            failures.append("and no more were tried")
            break
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
                sock.settimeout(words.timeout)
                sock.bind((str(ipaddress.IPv6Address(source)), 0))
                sock.connect((target, words.port))
                stream = sock.makefile("rb")
                seen[prefix_of(stream.readline().decode().strip())] += 1
                sock.sendall(payload)
                if stream.read(len(payload)) != payload:
                    raise OSError("the echo differs")
                connected += 1
        except OSError as problem:
            failures.append(f"{ipaddress.IPv6Address(source)} -> {target}: {problem}")
    print(json.dumps({"connected": connected, "failures": failures, "seen": seen}))


def ping(words):
    """Echo requests at a fixed pace; prints how many were answered. The program of that name gives up two round
    trips after its last request: on a busy machine answers that were merely late count as lost."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    icmp6_filter, echo_request, echo_reply = 1, 128, 129
    blocked = bytearray(b"\xff" * 32)
    struct.pack_into("=I", blocked, echo_reply // 32 * 4, 0xFFFFFFFF & ~(1 << echo_reply % 32))
    sock.setsockopt(socket.IPPROTO_ICMPV6, icmp6_filter, bytes(blocked))
    sock.connect((words.target, 0))
    name = os.getpid() & 0xFFFF
    answered, begin = set(), time.monotonic()
    for number in range(words.count + 1):
        last = number == words.count
        if not last:
            sock.send(struct.pack("!BBHHH", echo_request, 0, 0, name, number) + bytes(56))
        until = begin + (number + 1) * words.interval + (words.wait if last else 0)
        while len(answered) < words.count and select.select([sock], [], [], max(0, until - time.monotonic()))[0]:
            _, _, _, whose, which = struct.unpack_from("!BBHHH", sock.recv(2048))
            if whose == name:
                answered.add(which)
    print(len(answered))


def advertise(words):
    """One router advertisement to all nodes (RFC 4861 §4.2), with prefix and MTU."""
    prefix = ipaddress.IPv6Network(words.prefix)
    message = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 9000, 0, 0)
    message += struct.pack("!BBHI", 5, 1, 0, words.mtu)
    message += struct.pack("!BBBBIII", 3, 4, prefix.prefixlen, 0xC0, 86400, 86400, 0) + prefix.network_address.packed
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    sock.sendto(message, ("ff02::1", 0, 0, socket.if_nametoindex(words.device)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    sub = verbs.add_parser("serve")
    sub.add_argument("--no-echo", dest="echo", action="store_false", help="count datagrams, answer none")
    sub.set_defaults(run=serve)
    sub = verbs.add_parser("burst")
    sub.add_argument("--sources", required=True)
    sub.add_argument("--source-count", type=int, default=128)
    sub.add_argument("--destinations", required=True)
    sub.add_argument("--destination-count", type=int, default=96)
    sub.add_argument("--repeat", type=int, default=1)
    sub.add_argument("--rate", type=float, default=20_000, help="datagrams a second")
    sub.add_argument("--size", type=int, default=64, help="octets of payload")
    sub.add_argument("--wait", type=float, default=2, help="seconds to wait for the last echo")
    sub.add_argument("--window", type=int, help="datagrams that may be unanswered at a time, 32 or more")
    sub.add_argument("--port", type=int, default=UDP_PORT)
    sub.set_defaults(run=burst)
    sub = verbs.add_parser("connect")
    sub.add_argument("--sources", required=True)
    sub.add_argument("--destinations", required=True)
    sub.add_argument("--count", type=int, default=20)
    sub.add_argument("--size", type=int, default=4096, help="octets to echo")
    sub.add_argument("--timeout", type=float, default=5, help="seconds")
    sub.add_argument("--port", type=int, default=TCP_PORT)
    sub.set_defaults(run=connect)
    sub = verbs.add_parser("ping")
    sub.add_argument("target")
    sub.add_argument("--count", type=int, default=10)
    sub.add_argument("--interval", type=float, default=0.01, help="seconds")
    sub.add_argument("--wait", type=float, default=2, help="seconds to wait for the last answer")
    sub.set_defaults(run=ping)
    sub = verbs.add_parser("advertise")
    sub.add_argument("device")
    sub.add_argument("prefix")
    sub.add_argument("mtu", type=int)
    sub.set_defaults(run=advertise)
    words = parser.parse_args()
    words.run(words)


if __name__ == "__main__":
    main()
