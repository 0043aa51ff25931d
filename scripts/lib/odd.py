#!/usr/bin/python3
"""Odd packets, made and judged by scapy: nothing but addresses and hop limit may change on their way.

Needs Debian's own Python, which has scapy (python3-scapy). Each verb runs inside one namespace.
"""

import argparse
import json
import logging
import socket
import sys
import time

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.all import (  # noqa: E402
    HAO, HBHOptUnknown, ICMPv6EchoReply, ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, IPv6ExtHdrSegmentRouting, PadN, Raw, RouterAlert, SCTP, SCTPChunkInit, TCP,
    UDP,
)
from scapy.layers.ipsec import AH  # noqa: E402

ETHERTYPE = b"\x86\xdd"
# Each packet is known again by its flow label.
FIRST_LABEL = 0x5A000
BODY = bytes(range(256))
WAIT = 3


def options():
    return [
        ("MSS", 1220), ("WScale", 7), ("SAckOK", b""), ("Timestamp", (0x01020304, 0)), ("NOP", None),
        (34, b"\x01\x02\x03\x04\x05\x06\x07\x08"),
    ]


def packets(source, destination):
    """Name, what follows the IPv6 header, and fields of that header."""
    elsewhere = "2001:db8:beef::1"
    tcp = {"sport": 40000, "dport": 7, "seq": 0xFFFFFFF0, "ack": 0x12345678}
    pad = PadN(optdata=b"\0\0\0\0")
    skipped = HBHOptUnknown(otype=0x1E, optdata=b"1234")
    start = bytes(UDP(sport=40015, dport=7, len=520, chksum=1))
    return [
        ("plain UDP", UDP(sport=1, dport=65535) / BODY, {}),
        ("DSCP EF, ECN CE", UDP(sport=40001, dport=7) / BODY, {"tc": 0xBB}),
        ("DSCP LE, ECT(1)", UDP(sport=40002, dport=7) / BODY, {"tc": 0x05}),
        ("flow label all ones", UDP(sport=40003, dport=7) / BODY, {"fl": 0xFFFFF}),
        ("hop limit 255", UDP(sport=40004, dport=7) / BODY, {"hlim": 255}),
        ("UDP without a checksum", UDP(sport=40005, dport=7, chksum=0) / BODY, {}),
        ("UDP of an odd length", UDP(sport=40006, dport=7) / BODY[:7], {}),
        ("UDP without payload", UDP(sport=40007, dport=7), {}),
        ("TCP with every flag", TCP(**tcp, flags="FSRPAUECN", urgptr=5) / BODY, {}),
        ("TCP without a flag", TCP(**tcp, flags=0) / BODY, {}),
        ("TCP SYN and FIN", TCP(**tcp, flags="SF"), {}),
        ("TCP with reserved bits", TCP(**tcp, flags="A", reserved=7) / BODY, {}),
        ("TCP SYN with data and options", TCP(**{**tcp, "sport": 40008}, flags="S", options=options()) / BODY, {}),
        ("TCP with an MD5 signature", TCP(**{**tcp, "sport": 40009}, flags="A", options=[(19, b"\x5a" * 16)]), {}),
        ("echo request", ICMPv6EchoRequest(id=0xFFFF, seq=0, data=BODY), {}),
        ("echo reply that nobody asked for", ICMPv6EchoReply(id=0, seq=0xFFFF, data=BODY), {}),
        ("SCTP INIT", SCTP(sport=9, dport=9, tag=0) / SCTPChunkInit(init_tag=1), {"nh": 132}),
        ("DCCP", Raw(BODY), {"nh": 33}),
        ("UDP-Lite", Raw(BODY), {"nh": 136}),
        ("ESP", Raw(BODY), {"nh": 50}),
        ("AH before UDP", AH(nh=17, spi=1, seq=1, icv=b"\x5a" * 12) / UDP(sport=40010, dport=7) / BODY, {}),
        ("HIP", Raw(BODY), {"nh": 139}),
        ("protocol 253", Raw(BODY), {"nh": 253}),
        ("no next header, and octets", Raw(BODY), {"nh": 59}),
        ("GRE", Raw(BODY), {"nh": 47}),
        ("IPv4 in IPv6", Raw(BODY), {"nh": 4}),
        ("IPv6 in IPv6", IPv6(src="fd00::1", dst="fd00::2") / UDP(sport=1, dport=2) / BODY, {}),
        ("Destination Options", IPv6ExtHdrDestOpt(options=[pad]) / UDP(sport=40011, dport=7) / BODY, {}),
        ("an unknown option to be skipped", IPv6ExtHdrDestOpt(options=[skipped]) / TCP(**tcp), {}),
        ("a home address", IPv6ExtHdrDestOpt(options=[HAO(hoa=elsewhere)]) / Raw(BODY), {}),
        ("Hop-by-Hop Options", IPv6ExtHdrHopByHop(options=[pad]) / UDP(sport=40012, dport=7) / BODY, {}),
        ("Router Alert", IPv6ExtHdrHopByHop(options=[RouterAlert(value=1)]) / UDP(sport=40013, dport=7) / BODY, {}),
        ("Routing header of type 2", IPv6ExtHdrRouting(type=2, segleft=1, addresses=[elsewhere]) / Raw(BODY), {}),
        ("Segment Routing", IPv6ExtHdrSegmentRouting(addresses=[elsewhere, destination], segleft=1) / Raw(BODY), {}),
        ("atomic fragment", IPv6ExtHdrFragment(id=1) / UDP(sport=40014, dport=7) / BODY, {}),
        ("first fragment of UDP", IPv6ExtHdrFragment(id=2, m=1) / Raw(start + BODY), {}),
        ("last fragment of UDP", IPv6ExtHdrFragment(id=2, offset=33, nh=17) / Raw(BODY), {}),
        ("last fragment before the first", IPv6ExtHdrFragment(id=3, offset=33, nh=136) / Raw(BODY), {}),
        ("six extension headers", header_chain(6) / UDP(sport=40016, dport=7) / BODY, {}),
    ]


def header_chain(count):
    chain = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0\0\0\0")])
    return chain / header_chain(count - 1) if count > 1 else chain


def whole(source, destination):
    """Name and octets of every packet."""
    made = []
    for number, (name, rest, fields) in enumerate(packets(source, destination)):
        header = IPv6(**{"src": source, "dst": destination, "fl": FIRST_LABEL + number, "hlim": 64, **fields})
        made.append((name, bytes(header / rest)))
    return made


def send(words):
    """Sends them all as frames, and prints what was sent: names and octets."""
    made = whole(words.source, words.destination)
    link = bytes.fromhex((words.to_mac + words.from_mac).replace(":", "")) + ETHERTYPE
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((words.device, 0))
    for _, octets in made:
        sock.send(link + octets)
    print(json.dumps([(name, octets.hex()) for name, octets in made]))


def watch(words):
    """Takes what comes in at a device; a line of JSON says what was sent, and is answered with what is wrong."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86DD))
    sock.bind((words.device, 0x86DD))
    sock.setblocking(False)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(judge(sock, asked)), flush=True)


def judge(sock, asked):
    wanted = {IPv6(bytes.fromhex(octets)).fl: (name, bytes.fromhex(octets)) for name, octets in asked["sent"]}
    assert len(wanted) == len(asked["sent"]), "each has a flow label of its own"
    destination = socket.inet_pton(socket.AF_INET6, asked["destination"])
    seen = {}
    deadline = time.monotonic() + WAIT
    while set(seen) != set(wanted) and time.monotonic() < deadline:
        try:
            frame, (_, _, kind, *_) = sock.recvfrom(65535)
        except BlockingIOError:
            time.sleep(0.01)
            continue
        packet = frame[14:]
        label = IPv6(packet[:40]).fl
        if kind != socket.PACKET_OUTGOING and label in wanted and packet[24:40] == destination:
            seen.setdefault(label, []).append(packet)
    complaints = []
    for label, (name, octets) in wanted.items():
        expected = IPv6(octets)
        expected.src, expected.dst, expected.hlim = asked["source"], asked["destination"], expected.hlim - 1
        got = seen.get(label, [])
        if got != [bytes(expected)]:
            complaints.append(f"{name}: {[one.hex() for one in got]} instead of {bytes(expected).hex()}")
        elif complaint := checksum(got[0], octets):
            complaints.append(f"{name}: {complaint}")
    return complaints


def checksum(got, sent):
    """What scapy says of TCP's, UDP's and ICMPv6's sum, where it said that of the packet sent."""
    def field(packet):
        for layer, name in ((TCP, "chksum"), (UDP, "chksum"), (ICMPv6EchoRequest, "cksum"), (ICMPv6EchoReply, "cksum")):
            if layer in packet:
                return layer, name
        return None

    def right(octets):
        packet = IPv6(octets)
        layer, name = field(packet)
        claimed = getattr(packet[layer], name)
        delattr(packet[layer], name)
        return claimed == getattr(IPv6(bytes(packet))[layer], name)

    if field(IPv6(got)) is None or not right(sent):
        return None
    return None if right(got) else "the checksum is broken"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    sub = verbs.add_parser("send")
    for word in ("device", "from_mac", "to_mac", "source", "destination"):
        sub.add_argument(word)
    sub.set_defaults(run=send)
    sub = verbs.add_parser("watch")
    sub.add_argument("device")
    sub.set_defaults(run=watch)
    words = parser.parse_args()
    words.run(words)


if __name__ == "__main__":
    main()
