"""dns - names that cannot be found, hosts that say later, retries and the end of patience

Each case is one small engine with its own names and servers:

    a name server that refuses, and one that is silent: the mail waits with 4.4.3, and leaves when names come back
    (row DNS-09: at most half a minute later)
    what DNS says for good: null MX, no such domain, no address: bounced, each with its code
    a host that refuses the connection, the recipient or the content with 4xx: the next one gets it, at once
    everybody says later: tried again after 2 s and then 4 s, with jitter, and delivered when they relent
    maximal_queue_lifetime: bounced with 5.4.7 and the last reason
"""

import os
import re
import smtplib
import socket
import sys
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import engine  # noqa: E402
import ledger  # noqa: E402
import tap  # noqa: E402
import world  # noqa: E402

MESSAGE = b"From: a@sender.test\r\nSubject: where to?\r\n\r\nbody\r\n"
QUICK = {"minimal_backoff_time": "1s", "maximal_backoff_time": "1s", "dns_timeout": "1s"}
STAMP = re.compile(r" (\d\d):(\d\d):(\d\d) ")


def send(one, *rcpts):
    with smtplib.SMTP(one.host, one.port, local_hostname="client.test", timeout=20) as client:
        client.sendmail("a@sender.test", list(rcpts), MESSAGE)


def lines(one, *words):
    """Lines of the log that have all of the words."""
    try:
        with open(one.log, errors="replace") as f:
            return [line.rstrip() for line in f if all(word in line for word in words)]
    except FileNotFoundError:
        return []


def wait_lines(one, count, limit_s, *words):
    e2e.wait_for("%d lines with %s" % (count, " ".join(words)), lambda: len(lines(one, *words)) >= count, limit_s, 0.05)
    return lines(one, *words)


def start(stage, name, dns, net, **parameters):
    one = stage.add(engine.Engine(stage, {"dns_servers": dns, "smtp_tcp_port": str(net.port), **QUICK, **parameters}, name))
    one.start()
    return one


def finish(t, one, label, limit_s=10.0):
    began = time.monotonic()
    code = one.stop()
    t.ok(code == 0 and time.monotonic() - began < limit_s, "%s: TERM ends it with 0" % label,
         "exit %s after %.1f s" % (code, time.monotonic() - began))


# ---------------------------------------------------------------- name servers that are away

class NameServerAway:
    """A failure is remembered for half a minute (row DNS-09), so this one begins first and is finished last."""

    def __init__(self, stage, label, silent):
        self.stage, self.label = stage, "a name server that is " + label
        self.net, self.zone = world.Net(), world.Zone()
        self.zone.mx("d1.test", (10, self.zone.host("mx1.test", self.net.address(1))))
        self.sink = stage.add(world.DumpSink(stage, self.net.address(1), self.net.port))
        self.port = e2e.free_port()
        self.deaf = None
        if silent:
            self.deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.deaf.bind(("127.0.0.1", self.port))
        self.engine = start(stage, "ns-" + label, "127.0.0.1:%d" % self.port, self.net)
        send(self.engine, "b@d1.test")

    def while_away(self, t):
        found = wait_lines(self.engine, 2, 25, "to=<b@d1.test>", "status=deferred")
        t.ok(all("dsn=4.4.3" in line and "d1.test" in line.partition("status=")[2] for line in found),
             "%s: deferred with 4.4.3, and the reason names the domain" % self.label, "\n".join(found))
        e2e.wait_for("one mail queued", lambda: self.engine.queued() == 1, 5)
        t.ok(not lines(self.engine, "status=bounced"), "%s: the mail is kept" % self.label)
        if self.deaf is not None:
            self.deaf.close()
        self.stage.add(world.Dns(self.stage, self.zone, port=self.port))

    def back(self, t):
        wait_lines(self.engine, 1, 40, "to=<b@d1.test>", "status=sent")
        t.ok(self.sink.count() == 1, "%s: when it is back the mail arrives, once" % self.label, "%d" % self.sink.count())
        finish(t, self.engine, self.label)


def ends_while_asking(stage, t):
    """TERM while a question is out that nobody will answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        one = start(stage, "asking", "127.0.0.1:%d" % deaf.getsockname()[1], world.Net(), dns_timeout="5s")
        send(one, *["b@d%d.test" % i for i in range(30)])
        time.sleep(0.5)
        finish(t, one, "30 questions without an answer", 15.0)
    one.start()
    t.ok(not lines(one, "status=bounced") and not lines(one, "may be delivered twice"),
         "30 questions without an answer: nothing bounced, nothing in doubt")
    one.kill()


# ---------------------------------------------------------------- answers for good

def bounces(stage, t):
    net, zone = world.Net(), world.Zone()
    zone.null_mx("null.test")
    zone.mx("nowhere.test", (10, "absent.test"))
    zone.options.append("--txt-record=bare.test,no address and no exchanger")
    dns = stage.add(world.Dns(stage, zone))
    one = start(stage, "bounces", dns.endpoint, net)
    want = {"null.test": ("5.1.10", "null MX"), "unknown.test": ("5.4.4", "no such name"), "bare.test": ("5.4.4", ""),
            "nowhere.test": ("5.4.4", "absent.test")}
    send(one, *["b@" + domain for domain in want])
    wait_lines(one, len(want), 15, "status=bounced")
    for domain, (dsn, words) in want.items():
        found = lines(one, "to=<b@%s>" % domain)
        t.ok(len(found) == 1 and "dsn=%s, status=bounced" % dsn in found[0] and words.lower() in found[0].lower(),
             "%s: bounced once, with %s%s" % (domain, dsn, words and " and '%s'" % words), "\n".join(found))
    one.drain(10)
    t.ok(len(lines(one, ": removed")) == 1, "what has bounced leaves the queue")
    finish(t, one, "answers for good")
    stage.end(dns)


# ---------------------------------------------------------------- the next host

def next_host(stage, t):
    net, zone = world.Net(), world.Zone()
    good = stage.add(world.DumpSink(stage, net.address(10), net.port))
    best = zone.host("good.test", net.address(10))
    cases = {"refuses the connection": None, "says 450 to the recipient": ["--tempfail-rcpt", "1"],
             "says 451 to the content": ["--tempfail", "1"]}
    domains = {}
    for i, (words, options) in enumerate(cases.items(), 1):
        domains[zone.mx("d%d.test" % i, (10, zone.host("mx%d.test" % i, net.address(i))), (20, best))] = words
        if options:
            stage.add(world.LedgerSink(stage, ["%s:%d" % (net.address(i), net.port)], stage.path("sink%d" % i), options))
    dns = stage.add(world.Dns(stage, zone))
    one = start(stage, "next", dns.endpoint, net)
    for domain in domains:
        send(one, "b@" + domain)
    wait_lines(one, len(domains), 15, "status=sent")
    for domain, words in domains.items():
        found = lines(one, "to=<b@%s>" % domain)
        t.ok(len(found) == 1 and "relay=good.test[" in found[0] and "status=sent" in found[0],
             "a host that %s: the next one gets the mail in the same attempt" % words, "\n".join(found))
    t.ok(good.count() == len(domains), "each arrived once", "%d" % good.count())
    finish(t, one, "the next host")


# ---------------------------------------------------------------- later

def seconds_of(line):
    h, m, s = STAMP.search(line).groups()
    return int(h) * 3600 + int(m) * 60 + int(s)


def backoff(stage, t):
    net, zone = world.Net(), world.Zone()
    zone.mx("d1.test", (10, zone.host("mx1.test", net.address(1))))
    dns = stage.add(world.Dns(stage, zone))
    one = start(stage, "backoff", dns.endpoint, net, minimal_backoff_time="2s", maximal_backoff_time="4s")
    send(one, "b@d1.test")
    found = wait_lines(one, 3, 25, "to=<b@d1.test>", "status=deferred")
    gaps = [(seconds_of(b) - seconds_of(a)) % 86400 for a, b in zip(found, found[1:])]
    # Jitter is a tenth and stamps are whole seconds; a busy machine may be late, but never early. What the schedule is to
    # the second is played in virtual time (tests/dialogue/retry_schedule.dialogue).
    t.ok(1 <= gaps[0] <= 12 and all(3 <= gap <= 14 for gap in gaps[1:]), "waits of 2 and 4 s: exponential",
         str(gaps))
    t.ok(all("Connection refused" in line for line in found), "the reason is named: connection refused", "\n".join(found))
    sink = stage.add(world.DumpSink(stage, net.address(1), net.port))
    sent = wait_lines(one, 1, 10, "to=<b@d1.test>", "status=sent")
    t.ok(sink.count() == 1 and len(sent) == 1, "when the server is there the mail arrives, once", "%d" % sink.count())
    finish(t, one, "backoff")


def backoff_survives_restart(stage, t):
    """A deferral is durable: the next life waits, and does not begin with everything at once."""
    net, zone = world.Net(), world.Zone()
    zone.mx("d1.test", (10, zone.host("mx1.test", net.address(1))))
    dns = stage.add(world.Dns(stage, zone))
    one = start(stage, "restart", dns.endpoint, net, minimal_backoff_time="5s", maximal_backoff_time="5s")
    send(one, "b@d1.test")
    wait_lines(one, 1, 10, "to=<b@d1.test>", "status=deferred")
    one.kill()
    one.start()
    first, second = wait_lines(one, 2, 15, "to=<b@d1.test>", "status=deferred")[:2]
    gap = (seconds_of(second) - seconds_of(first)) % 86400
    # Jitter is a tenth, stamps are whole seconds; the next life itself may be a while in coming.
    t.ok(gap >= 4, "a deferred mail waits for its time in the next life too", "%d s" % gap)
    finish(t, one, "a restart in between")


def expiry(stage, t):
    net, zone = world.Net(), world.Zone()
    zone.mx("d1.test", (10, zone.host("mx1.test", net.address(1))))
    dns = stage.add(world.Dns(stage, zone))
    one = start(stage, "expiry", dns.endpoint, net, maximal_queue_lifetime="3s")
    send(one, "b@d1.test")
    found = wait_lines(one, 1, 15, "to=<b@d1.test>", "dsn=5.4.7")
    t.ok("status=bounced" in found[0] and "Connection refused" in found[0], "an expired mail bounces with 5.4.7 and the last reason",
         "\n".join(found))
    before = lines(one, "to=<b@d1.test>", "status=deferred")
    t.ok(len(before) >= 2, "it was tried before", "\n".join(before))
    one.drain(10)
    log = ledger.Log().read(one.log)
    t.ok(len(log.bounced) == 1 and len(lines(one, "status=bounced")) == 1, "once")
    finish(t, one, "expiry")


def everything(stage, t):
    away = [NameServerAway(stage, "refusing", False), NameServerAway(stage, "silent", True)]
    for one in away:
        one.while_away(t)
    for function in (bounces, next_host, backoff, backoff_survives_restart, expiry, ends_while_asking):
        t.case(function.__name__.replace("_", " ") + " ran to its end", function, stage, t)
    for one in away:
        one.back(t)


def main():
    t = tap.Tap("dns")
    with e2e.Stage("dns") as stage:
        t.case("the run came to its end", everything, stage, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
