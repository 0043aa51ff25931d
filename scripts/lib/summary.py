"""What the demo tells at its end, and whether everything is explained."""

SHARE_TOLERANCE = 0.02  # Chance adds 0.4 points to the table's share over 12 288 pairs.
TABLE_TOLERANCE = 0.0001
ISP_NAMESPACES = {"wan0": "ispa", "wan1": "ispb"}


def frames_seen(status):
    """Every frame that came to a gate so far."""
    return sum(term["count"] for account in status["accounting"] if account["book"] == "gate" for term in account["sources"])


def number(value):
    return f"{value:,}".replace(",", " ")


def percent(share):
    return f"{share * 100:.2f} %"


def span(nanoseconds):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.1f} {unit}"
    return f"{nanoseconds} ns"


class Summary:
    """Prints the parts of the summary and collects what is wrong."""

    def __init__(self, paint, status):
        self.paint = paint
        self.status = status
        self.wrong = []

    def head(self, text, note=""):
        print(f"\n{self.paint('1', text)}{'  ' + note if note else ''}")

    def expect(self, holds, complaint):
        if not holds:
            self.wrong.append(complaint)

    def isps(self, seen, prefixes):
        self.head("ISPs", "pairs: distinct (source, destination) of the burst, as the server counted them")
        print(f"   {'':18}{'weight':>7}{'table':>11}{'pairs':>9}{'share':>10}{'packets out':>14}{'packets in':>13}")
        isps = sorted(self.status["isps"], key=lambda isp: list(prefixes).index(isp["name"]))
        weights = sum(isp["weight"] for isp in isps)
        pairs = sum(entry["pairs"] for entry in seen.values())
        self.expect(pairs == 12_288, f"the server saw {pairs} pairs, not 12288")
        for isp in isps:
            entry = seen.get(prefixes[isp["name"]], {"pairs": 0, "addresses": 0, "examples": []})
            share = entry["pairs"] / max(pairs, 1)
            table = isp["share_by_table"]
            print(
                f"   {isp['name'] + ' (' + isp['interface'] + ')':18}{isp['weight']:>7}{percent(table):>11}{number(entry['pairs']):>9}"
                f"{percent(share):>10}{number(isp['outbound']['total']):>14}{number(isp['inbound']['total']):>13}"
            )
            print(f"   {'':18}{entry['addresses']} addresses, such as {', '.join(entry['examples'][:2])}")
            self.expect(abs(share - table) <= SHARE_TOLERANCE, f"{isp['name']} carried {percent(share)} of the pairs")
            exact = isp["weight"] / weights
            self.expect(abs(table - exact) <= TABLE_TOLERANCE, f"{isp['name']} has {percent(table)} of the table")

    def latency(self, paced):
        self.head("Latency", f"from the gate to the transmit ring; one packet in {self.status['timed_one_in']} is timed")
        print(f"   {'':34}{'timed':>9}{'p50':>11}{'p99':>11}{'p99.9':>11}{'max':>11}")
        for when, status in (("pings and the burst", paced), ("and TCP at full speed", self.status)):
            for one in status["latency"]:
                spans = "".join(f"{span(one[key]):>11}" for key in ("p50_ns", "p99_ns", "p999_ns", "max_ns"))
                print(f"   {when:24}{one['direction']:10}{number(one['timed']):>9}{spans}")

    def drops(self):
        self.head("Drops", "" if self.status["drops"] else "none")
        for drop in self.status["drops"]:
            print(f"   {drop['interface']:6}{number(drop['packets']['total']):>9}  {drop['reason']}: {drop['meaning']}")
            self.expect(drop["reason"] != "egress-assertion", "a packet was about to leave with a foreign source")

    def accounting(self):
        self.head("Accounting", "every frame, exact")
        for account in self.status["accounting"]:
            sides = [
                " + ".join(f"{term['what']} {number(term['count'])}" for term in side if term["count"] or len(side) == 1)
                for side in (account["sources"], account["sinks"])
            ]
            difference = account["difference"]
            mark = self.paint("32", "=") if difference == 0 else self.paint("31", f"≠ ({difference:+})")
            of = f"worker {account['of']}" if account["book"] == "umem" else account["of"]
            print(f"   {account['book']:7}{of:9} {sides[0] or 0} {mark} {sides[1] or 0}")
            self.expect(difference == 0, f"{account['book']} of {of}: {difference} frames unexplained")
        for worker, counts in enumerate(self.status["workers"]):
            self.expect(counts["frames"]["lost"] == 0, f"worker {worker} lost {counts['frames']['lost']} frames")

    def borders(self, counts):
        self.head("At the ISPs", "what their own filters counted, by source")
        for isp in self.status["isps"]:
            count = counts[ISP_NAMESPACES[isp["interface"]]]
            print(
                f"   {isp['name']:18}its own {number(count['own'])}, link {number(count['link'])},"
                f" untranslated {count['internal']}, foreign {count['foreign']}"
            )
            self.expect(count["internal"] == 0, f"{isp['name']} got {count['internal']} untranslated packets")
            self.expect(count["foreign"] == 0, f"{isp['name']} got {count['foreign']} packets with foreign sources")

    def verdict(self):
        if self.wrong:
            self.head(self.paint("31", "Not explained"))
            for complaint in self.wrong:
                print(f"   {complaint}")
        else:
            self.head(self.paint("32", "Everything is explained"), "foreign sources 0, frames lost 0, unexplained 0")
        return not self.wrong


def show(paint, status, paced, seen, prefixes, counts):
    """Prints the summary; whether everything is explained.

    `paced`: the status before TCP filled the queues; `seen`: the server's report about the burst;
    `prefixes`: each ISP's prefix by its name; `counts`: what the ISPs' filters counted, by namespace.
    """
    summary = Summary(paint, status)
    summary.isps(seen, prefixes)
    summary.latency(paced)
    summary.drops()
    summary.accounting()
    summary.borders(counts)
    return summary.verdict()
