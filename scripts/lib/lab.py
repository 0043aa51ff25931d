#!/usr/bin/env python3
"""The lab: a LAN with two subnets, the gateway, two ISPs and a server, all in network namespaces.

    h10 ─┐                                     ┌─ wan0 ── ispa ── a0 ─┐
         ├─ sw ── lan0  gw  wg0, dmz0          │                      ├─ srv  2001:db8:f::/64
    h20 ─ inn ┘          │    │                └─ wan1 ── ispb ── b0 ─┘
                        vpn  dmz

`scripts/demo` and the lab tests build the same lab from here. Nothing outside the lab's own
namespaces and its own directory below the temporary directory is touched; namespaces are called
`sw<pid>x<n>-<role>`, so that leftovers of a dead process can be told from a living one's.

The gateway's kernel forwards and has a default route by every ISP on purpose: whatever Sixways
lets slip, the kernel would send on untranslated. Each ISP drops and counts sources that are not
its own (BCP 38).
"""

import argparse
import ipaddress
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROLES = ("gw", "sw", "h10", "inn", "h20", "ispa", "ispb", "srv", "vpn", "dmz")
ROUTERS = ("gw", "inn", "ispa", "ispb")
# Both ends of each cable: (role, device), (role, device).
CABLES = (
    (("gw", "lan0"), ("sw", "gw")),
    (("h10", "eth0"), ("sw", "h10")),
    (("inn", "near"), ("sw", "inn")),
    (("h20", "eth0"), ("inn", "far")),
    (("gw", "wan0"), ("ispa", "cust")),
    (("gw", "wan1"), ("ispb", "cust")),
    (("ispa", "core"), ("srv", "a0")),
    (("ispb", "core"), ("srv", "b0")),
    (("gw", "wg0"), ("vpn", "wg0")),
    (("gw", "dmz0"), ("dmz", "eth0")),
)
# Prefix delegated to the customer, and the prefix of the link itself.
ISPS = {"ispa": ("2001:db8:1::/48", "2001:db8:a::/64"), "ispb": ("2001:db8:2::/48", "2001:db8:b::/64")}
# An indexed MAC for every device, so that addresses made from it can be told in advance.
FIRST_INDEX = 1000

# `ip -batch` lines for each role, repeatable: they also mend a namespace after a cable was pulled.
NETWORK = {
    "gw": """
        addr replace fe80::1/64 dev lan0
        addr replace fd12:3456:789a:10::1/64 dev lan0
        addr replace fe80::2/64 dev wan0
        addr replace 2001:db8:a::2/64 dev wan0
        addr replace fd99:1::1/64 dev wg0
        addr replace 2001:db8:1:d::1/64 dev dmz0
        route replace fd12:3456:789a:20::/60 via fd12:3456:789a:10::2 dev lan0
        route replace default via fe80::1 dev wan0 metric 512
    """,
    "sw": "",
    "h10": """
        addr replace fd12:3456:789a:10::10/64 dev eth0
        route replace default via fd12:3456:789a:10::1 dev eth0
    """,
    # Behind the inner router: one subnet with a cable, and one that is all h20's.
    "inn": """
        addr replace fd12:3456:789a:10::2/64 dev near
        addr replace fd12:3456:789a:20::1/64 dev far
        route replace fd12:3456:789a:21::/64 via fd12:3456:789a:20::20 dev far
        route replace default via fd12:3456:789a:10::1 dev near
    """,
    "h20": """
        addr replace fd12:3456:789a:20::20/64 dev eth0
        route replace local fd12:3456:789a:21::/64 dev lo
        route replace default via fd12:3456:789a:20::1 dev eth0
    """,
    "ispa": """
        addr replace fe80::1/64 dev cust
        addr replace 2001:db8:a::1/64 dev cust
        addr replace fe80::1/64 dev core
        route replace 2001:db8:1::/48 via fe80::2 dev cust
        route replace 2001:db8:f::/64 via fe80::53 dev core
    """,
    "ispb": """
        addr replace fe80::1/64 dev cust
        addr replace 2001:db8:b::1/64 dev cust
        addr replace fe80::1/64 dev core
        route replace 2001:db8:2::/48 via {wan1_link_local} dev cust
        route replace 2001:db8:f::/64 via fe80::53 dev core
    """,
    # Every address of 2001:db8:f::/64 is the server; it answers by the ISP that was used.
    "srv": """
        addr replace fe80::53/64 dev a0
        addr replace fe80::53/64 dev b0
        addr replace 2001:db8:f::53/128 dev lo
        route replace local 2001:db8:f::/64 dev lo
        route replace 2001:db8:1::/48 via fe80::1 dev a0
        route replace 2001:db8:a::/64 via fe80::1 dev a0
        route replace 2001:db8:2::/48 via fe80::1 dev b0
        route replace 2001:db8:b::/64 via fe80::1 dev b0
    """,
    "vpn": """
        addr replace fd99:1::2/64 dev wg0
        route replace default via fd99:1::1 dev wg0
    """,
    "dmz": """
        addr replace 2001:db8:1:d::80/64 dev eth0
        route replace default via 2001:db8:1:d::1 dev eth0
    """,
}
COUNTERS = ("own", "link", "internal", "foreign")


class LabError(Exception):
    """A command of the lab failed; says which and how."""


def run(*command, text=None, check=True, timeout=60):
    """Runs a command to its end and returns its output."""
    done = subprocess.run(command, input=text, text=True, capture_output=True, timeout=timeout)
    if check and done.returncode != 0:
        raise LabError(f"`{' '.join(command)}` failed with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def mac_of(index):
    return f"02:5e:00:00:{index >> 8:02x}:{index & 0xff:02x}"


def link_local_of(mac):
    """The address that the kernel makes from a MAC (RFC 4291 appendix A)."""
    octets = [int(part, 16) for part in mac.split(":")]
    octets[0] ^= 2
    identifier = bytes(octets[:3] + [0xFF, 0xFE] + octets[3:])
    return ipaddress.IPv6Address(bytes.fromhex("fe80000000000000") + identifier)


class Lab:
    """One lab. `up` builds it, `down` leaves nothing behind whatever state it is in."""

    def __init__(self, name, queues=1):
        if not re.fullmatch(r"sw\d+x\d+", name):
            raise LabError(f"`{name}` is no lab's name; write sw<pid>x<n>")
        self.name = name
        self.queues = queues
        self.dir = pathlib.Path(tempfile.gettempdir()) / name
        # bpffs lies outside /sys: `ip netns exec` covers /sys with a mount of its own.
        self.bpffs = self.dir / "bpf"
        self.state = self.dir / "state"
        self.socket = self.dir / "control.sock"

    def ns(self, role):
        return f"{self.name}-{role}"

    def exec(self, role, *command):
        """The command line that runs `command` in a namespace."""
        return ["ip", "netns", "exec", self.ns(role), *command]

    def sh(self, role, script):
        return run(*self.exec(role, "sh", "-ec", script))

    def up(self):
        self.state.mkdir(parents=True)
        self.bpffs.mkdir()
        run("mount", "-t", "bpf", "bpffs", str(self.bpffs))
        self.batch(f"netns add {self.ns(role)}" for role in ROLES)
        self.in_all(lambda role: self.exec(role, "sysctl", "-qw", *self.first_settings(role)))
        self.batch([f"link add br0 netns {self.ns('sw')} type bridge mcast_snooping 0", *map(self.cable, range(len(CABLES)))])
        self.in_all(lambda role: self.exec(role, "sh", "-ec", self.device_settings(role)))
        self.settle(*ROLES)
        self.advertise()

    def in_all(self, command, roles=ROLES, text=lambda _: None):
        """Runs a command for each role, all at once."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        waiting = [(role, subprocess.Popen(command(role), **pipes)) for role in roles]
        for role, process in waiting:
            _, errors = process.communicate(text(role), timeout=60)
            if process.returncode != 0:
                raise LabError(f"set-up of {self.ns(role)} failed: {errors.strip()}")

    @staticmethod
    def first_settings(role):
        """Settings that new devices inherit: no waiting for duplicates, link-local addresses from the MAC,
        and programs may use any address of a local prefix."""
        default = "net.ipv6.conf.default"
        settings = [f"{default}.disable_ipv6={int(role == 'sw')}", f"{default}.accept_dad=0", f"{default}.accept_ra=0"]
        settings += [f"{default}.addr_gen_mode=0", "net.ipv6.ip_nonlocal_bind=1"]
        if role in ROUTERS and role != "gw":
            settings.append("net.ipv6.conf.all.forwarding=1")
        if role != "gw":
            settings.append("net.ipv6.icmp.ratelimit=0")
        return settings

    @staticmethod
    def devices(role):
        return [device for cable in CABLES for (owner, device) in cable if owner == role]

    def device_settings(self, role):
        """AF_XDP loses the kernel's note that a checksum is still to be made, so it is made at once."""
        lines = [f"ethtool -K {device} tx off gso off gro off tso off >/dev/null 2>&1" for device in self.devices(role)]
        if role == "gw":
            # In this order: a kernel that already forwards would delete the route it learnt by RA.
            lines.append("sysctl -qw net.ipv6.conf.wan1.accept_ra=2 net.ipv6.conf.all.forwarding=1")
        return "\n".join(lines)

    def cable(self, cable):
        """The line that makes a veth pair. Every end has an index of its own: equal ones delay carrier news."""
        words = []
        for end, (role, device) in enumerate(CABLES[cable]):
            index = FIRST_INDEX + 2 * cable + end
            words.append(
                f"name {device} index {index} address {mac_of(index)} netns {self.ns(role)}"
                f" numtxqueues {self.queues} numrxqueues {self.queues} type veth"
            )
        return f"link add {words[0]} peer {words[1].removesuffix(' type veth')}"

    @staticmethod
    def batch(lines):
        run("ip", "-batch", "-", text="\n".join(lines) + "\n")

    def ip(self, role, line):
        run("ip", "-n", self.ns(role), *line.split())

    def settle(self, *roles):
        """Brings namespaces' devices up and gives them their addresses and routes, again if need be."""
        self.in_all(lambda role: ["ip", "-n", self.ns(role), "-batch", "-"], roles, self.addresses)
        self.in_all(lambda role: self.exec(role, "nft", "-f", "-"), [role for role in roles if role in ISPS], self.filter)

    def addresses(self, role):
        """Lines for `ip -batch`, repeatable."""
        lines = [f"link set {device} up" for device in ("lo", *self.devices(role))]
        if role == "sw":
            lines = ["link set br0 up", *(f"link set {device} master br0" for device in self.devices(role)), *lines]
        lines += NETWORK[role].format(wan1_link_local=self.wan1_link_local()).splitlines()
        return "\n".join(line.strip() for line in lines) + "\n"

    @staticmethod
    def wan1_link_local():
        index = next(i for i, cable in enumerate(CABLES) if cable[0] == ("gw", "wan1"))
        return link_local_of(mac_of(FIRST_INDEX + 2 * index))

    def own_addresses(self):
        """The gateway's own address by each port: LAN, ISP A, ISP B."""
        interface_id = int(self.wan1_link_local()) & (2**64 - 1)
        return {
            "lan0": "fd12:3456:789a:10::1",
            "wan0": "2001:db8:a::2",
            "wan1": str(ipaddress.IPv6Network(ISPS["ispb"][1])[interface_id]),
        }

    @staticmethod
    def filter(role):
        """The ISP's ingress filter: it counts what the customer sends by source, and drops what is not its own."""
        delegated, link = ISPS[role]
        return (
            "add table netdev isp\n"
            + "".join(f"add counter netdev isp {counter}\n" for counter in COUNTERS)
            + f"""
            add chain netdev isp customer {{ type filter hook ingress device "cust" priority 0; policy accept; }}
            flush chain netdev isp customer
            add rule netdev isp customer ip6 saddr {delegated} counter name own accept
            add rule netdev isp customer ip6 saddr {{ ::, fe80::/10, {link} }} counter name link accept
            add rule netdev isp customer ip6 saddr fc00::/7 counter name internal drop
            add rule netdev isp customer meta protocol ip6 counter name foreign drop
            """
        )

    def counts(self, role):
        """Packets from the customer that an ISP counted, by kind of source."""
        listing = json.loads(run(*self.exec(role, "nft", "-j", "list", "counters", "table", "netdev", "isp")))
        counters = (entry["counter"] for entry in listing["nftables"] if "counter" in entry)
        return {counter["name"]: counter["packets"] for counter in counters}

    def advertise(self):
        """ISP B's router advertisement; returns once the gateway's kernel has its default route."""
        helper = pathlib.Path(__file__).with_name("traffic.py")
        deadline = time.monotonic() + 10
        while "default" not in run("ip", "-n", self.ns("gw"), "-6", "route", "show", "dev", "wan1", "proto", "ra"):
            if time.monotonic() > deadline:
                raise LabError("the gateway's kernel took no default route from ISP B's router advertisement")
            run(*self.exec("ispb", sys.executable, str(helper), "advertise", "cust", ISPS["ispb"][1], "1400"))
            time.sleep(0.05)

    def recreate(self, device):
        """Deletes one of the gateway's devices and makes it anew, as a driver reload does."""
        cable = next(i for i, ends in enumerate(CABLES) if ends[0] == ("gw", device))
        self.ip("gw", f"link del {device}")
        self.batch([self.cable(cable)])
        for role, name in CABLES[cable]:
            self.sh(role, f"ethtool -K {name} tx off gso off gro off tso off >/dev/null 2>&1")
        if device == "wan1":
            self.sh("gw", "sysctl -qw net.ipv6.conf.wan1.accept_ra=2 net.ipv6.conf.wan1.forwarding=1")
        self.mend(cable)

    def mend(self, cable):
        self.settle(*(role for role, _ in CABLES[cable]))
        if CABLES[cable][0] == ("gw", "wan1"):
            self.advertise()

    def carrier(self, device, up):
        """Pulls the cable out of one of the gateway's devices, or puts it back."""
        cable = next(i for i, ends in enumerate(CABLES) if ends[0] == ("gw", device))
        if up:
            self.mend(cable)
        else:
            role, name = CABLES[cable][1]
            self.ip(role, f"link set {name} down")

    def down(self):
        namespaces = [name for name in namespaces_here() if name.startswith(f"{self.name}-")]
        pids = processes_in(namespaces)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        # A namespace lives until its last process is gone.
        deadline = time.monotonic() + 5
        while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.01)
        run("ip", "-force", "-batch", "-", text="".join(f"netns del {name}\n" for name in namespaces), check=False)
        if os.path.ismount(self.bpffs):
            run("umount", str(self.bpffs), check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


def namespaces_here():
    try:
        return os.listdir("/run/netns")
    except FileNotFoundError:
        return []


def processes_in(namespaces):
    """Who runs in any of these, as `ip netns pids` finds them for one."""
    inodes = {os.stat(f"/run/netns/{name}").st_ino for name in namespaces}

    def runs_there(pid):
        try:
            return os.stat(f"/proc/{pid}/ns/net").st_ino in inodes
        except OSError:  # gone, or none of ours
            return False

    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and runs_there(pid)]


def sweep():
    """Takes down every lab whose process is dead."""
    candidates = namespaces_here() + os.listdir(tempfile.gettempdir())
    labs = {match[1]: int(match[2]) for name in candidates if (match := re.match(r"(sw(\d+)x\d+)(-|$)", name))}
    for name, pid in labs.items():
        if not os.path.exists(f"/proc/{pid}"):
            Lab(name).down()


def main():
    parser = argparse.ArgumentParser(description="Builds and takes down the lab; prints JSON where there is something to tell.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("sweep")
    for verb in ("up", "down", "recreate", "unplug", "plug"):
        sub = verbs.add_parser(verb)
        sub.add_argument("name")
        if verb == "up":
            sub.add_argument("--queues", type=int, default=1)
        if verb in ("recreate", "unplug", "plug"):
            sub.add_argument("device")
    words = parser.parse_args()
    if words.verb == "sweep":
        return sweep()
    lab = Lab(words.name, getattr(words, "queues", 1))
    match words.verb:
        case "up":
            try:
                lab.up()
            except BaseException:
                lab.down()
                raise
            print(json.dumps({"own": lab.own_addresses(), "dir": str(lab.dir)}))
        case "down":
            lab.down()
        case "recreate":
            lab.recreate(words.device)
        case "unplug" | "plug":
            lab.carrier(words.device, words.verb == "plug")
    return None


if __name__ == "__main__":
    try:
        main()
    except (LabError, subprocess.TimeoutExpired) as problem:
        sys.exit(f"lab: {problem}")
