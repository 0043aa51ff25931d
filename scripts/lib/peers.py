#!/usr/bin/env python3
"""Peers for the lab that no package has: a web server for large files, and a protocol without ports.

Each verb runs inside one namespace and is bounded in count and time, or serves until it is killed.
"""

import argparse
import functools
import http.server
import json
import os
import socket
import socketserver

# RFC 3692: for experiments. Nobody along the way knows it.
PROTOCOL = 253
PKTINFO_SPACE = socket.CMSG_SPACE(20)
BUFFER = 16 << 20


class Files(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


class WebServer(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True


def files(words):
    """Serves a folder by HTTP/1.1."""
    with WebServer(("::", words.port), functools.partial(Files, directory=words.folder)) as server:
        print(json.dumps({"ready": True}), flush=True)
        server.serve_forever()


def raw_socket():
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, PROTOCOL)
    # SO_RCVBUFFORCE: the lab's root is not held to the system's limits.
    sock.setsockopt(socket.SOL_SOCKET, 33, BUFFER)
    return sock


def raw_serve(_):
    """Sends every packet back from the address that it came to."""
    sock = raw_socket()
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    print(json.dumps({"ready": True}), flush=True)
    while True:
        data, control, _, sender = sock.recvmsg(65535, PKTINFO_SPACE)
        local = control[0][2][:16] + b"\0\0\0\0"
        sock.sendmsg([data], [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, local)], 0, sender)


def raw_ask(words):
    """Packets of these sizes to the echo; tells the sizes whose echo came back whole."""
    sock = raw_socket()
    sock.settimeout(2)
    sock.bind((words.source, 0))
    sock.connect((words.target, 0))
    answered = []
    for size in words.sizes:
        payload = os.urandom(size)
        sock.send(payload)
        try:
            if sock.recv(65535) == payload:
                answered.append(size)
        except TimeoutError:
            break
    print(json.dumps(answered))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    sub = verbs.add_parser("files")
    sub.add_argument("folder")
    sub.add_argument("port", type=int)
    sub.set_defaults(run=files)
    sub = verbs.add_parser("raw-serve")
    sub.set_defaults(run=raw_serve)
    sub = verbs.add_parser("raw-ask")
    sub.add_argument("source")
    sub.add_argument("target")
    sub.add_argument("sizes", type=int, nargs="+")
    sub.set_defaults(run=raw_ask)
    words = parser.parse_args()
    words.run(words)


if __name__ == "__main__":
    main()
