#!/usr/bin/env python3
"""demo - see ringpost deliver real mail, be killed in mid-flight, and lose nothing

usage: tools/demo [--keep] [--mails N] [--seed N] [--no-build]

Prepares the machine (tools/setup), builds into build/, then on loopback addresses only:

  1. dnsmasq serves MX records for 26 domains: several exchangers with different preferences, one that
     refuses connections, one whose name does not exist, a domain with an address only, an alias, and
     one that takes no mail at all (null MX)
  2. five smtp-sink processes and one stricter sink of our own keep every message they get
  3. ringpostd, two cores, takes the hand-shaped mails of tests/mail and 2,000 random ones of 1 KB to
     5 MB over SMTP, durable before each 250
  4. SIGKILL in mid-flight, then a start on the same spool
  5. the queue drains, and every delivered message is compared with its original, octet by octet

The last line sums up and has the words `lost 0, altered 0` when all is well; then the exit status is 0.

  --keep       leave everything running afterwards and say where to look and how to end it
  --mails N    random mails to inject (default 2000)
  --seed N     of the random mails and of the moment of the kill (default 1)
  --no-build   take build/tools/ringpostd as it is
"""

import argparse
import os
import random
import shlex
import subprocess
import sys
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import engine  # noqa: E402
import ledger  # noqa: E402
import world  # noqa: E402

DUMP_SINKS = 5
STRICT_SINK = 6             # last octet of its address
DEAD_END = 99               # nobody listens there
INJECT_LIMIT_S = 120.0
DRAIN_LIMIT_S = 60.0


# ---------------------------------------------------------------- what the reader sees

def say(words, detail=""):
    print("%-10s %s" % (words, detail), flush=True)


class Progress:
    """One line that moves on a terminal; a line every two seconds elsewhere."""

    def __init__(self):
        self.tty = sys.stdout.isatty()
        self.last = 0.0

    def show(self, text):
        now = time.monotonic()
        if now - self.last < (0.1 if self.tty else 2.0):
            return
        self.last = now
        if self.tty:
            print("\r\033[K  " + text, end="", flush=True)
        else:
            print("  " + text, flush=True)

    def clear(self):
        if self.tty:
            print("\r\033[K", end="", flush=True)


class Tail:
    """Counts the lines of one kind in a growing ledger without reading it twice."""

    def __init__(self, path, word):
        self.path, self.word, self.at, self.count = path, word.encode() + b"\t", 0, 0

    def look(self):
        try:
            with open(self.path, "rb") as f:
                f.seek(self.at)
                data = f.read()
        except FileNotFoundError:
            return 0
        whole = data.rfind(b"\n") + 1
        self.at += whole
        self.count += sum(line.startswith(self.word) for line in data[:whole].split(b"\n"))
        return self.count


# ---------------------------------------------------------------- the scene

def build():
    if os.environ.get("RINGPOSTD"):
        return
    step("tools/setup", [os.path.join(ROOT, "tools", "setup")])
    if not os.path.exists(os.path.join(ROOT, "build", "build.ninja")):
        step("meson", ["meson", "setup", os.path.join(ROOT, "build"), ROOT])
    step("ninja", ["ninja", "-C", os.path.join(ROOT, "build"), "tools/ringpostd"])


def step(name, argv):
    began = time.monotonic()
    said = []
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          cwd=ROOT) as child:
        for line in child.stdout:
            said.append(line.decode(errors="replace"))
            if said[-1].startswith("setup:"):       # its steps take minutes on a new machine
                print("  " + said[-1], end="", flush=True)
    if child.returncode != 0:
        sys.stdout.write("".join(said[-40:]))
        raise e2e.Failure("%s failed with exit %d" % (name, child.returncode))
    say("build", "%s (%.0f s)" % (name, time.monotonic() - began))


def zone_of(net):
    """Returns (zone, domains that take mail, the one that does not)."""
    zone, domains = world.Zone(), []
    hosts = [zone.host("mx%d.test" % i, net.address(i)) for i in range(1, STRICT_SINK + 1)]
    dead = zone.host("dead.test", net.address(DEAD_END))
    both = zone.host("both.test", net.address(1), net.address(2))
    for i in range(1, 19):
        first, second = hosts[i % len(hosts)], hosts[(i + 1) % len(hosts)]
        domains.append(zone.mx("d%02d.test" % i, (10, first), (20, second)))
    domains.append(zone.mx("equal.test", (10, hosts[0]), (10, hosts[3])))
    domains.append(zone.mx("three.test", (5, hosts[1]), (10, hosts[2]), (15, hosts[4])))
    domains.append(zone.mx("refused.test", (1, dead), (50, hosts[2])))
    domains.append(zone.mx("unknown-host.test", (1, "absent.test"), (50, hosts[3])))
    domains.append(zone.mx("both-addresses.test", (10, both)))
    domains.append(zone.host("address-only.test", net.address(4)))
    domains.append(zone.cname("alias.test", "d01.test"))
    return zone, domains, zone.null_mx("null.test")


class Scene:
    def __init__(self, stage, keep):
        self.net = world.Net()
        port, pdeath = self.net.port, not keep
        zone, self.domains, self.null = zone_of(self.net)
        self.dns = stage.add(world.Dns(stage, zone, pdeath=pdeath))
        say("names", "dnsmasq on %s, %d domains" % (self.dns.endpoint, len(self.domains) + 1))
        self.dumps = [stage.add(world.DumpSink(stage, self.net.address(i), port, pdeath=pdeath))
                      for i in range(1, DUMP_SINKS + 1)]
        self.sink_ledger = stage.path("strict.ledger")
        self.strict = stage.add(world.LedgerSink(stage, ["%s:%d" % (self.net.address(STRICT_SINK), port)],
                                                 self.sink_ledger, pdeath=pdeath))
        say("sinks", "%d smtp-sink and 1 strict sink on %s.1-%d, port %d" % (
            DUMP_SINKS, self.net.base, STRICT_SINK, port))
        self.engine = stage.add(engine.Engine(stage, {
            "dns_servers": self.dns.endpoint, "smtp_tcp_port": str(port), "message_size_limit": "10240000",
            "minimal_backoff_time": "1s", "maximal_backoff_time": "4s",
            # Long lines would be broken, as in every mail for the Internet; here each octet is to be compared.
            "smtp_line_length_limit": "0"}, pdeath=pdeath))
        self.inject_ledger = stage.path("inject.ledger")
        self.accepted = Tail(self.inject_ledger, "accepted")
        self.committed = Tail(self.sink_ledger, "committed")
        self.moved_at, self.moved_to = time.monotonic(), 0

    def start_injector(self, stage, args):
        # The domain without mail is named once among many, so that about 1 recipient in 200 bounces.
        names = self.domains * 8 + [self.null]
        self.injector_out = stage.path("inject.out")
        with open(self.injector_out, "wb") as out:
            self.injector = stage.add(e2e.Process("inject.py", [
                sys.executable, "-B", os.path.join(ROOT, "tests", "lib", "inject.py"), "--port",
                str(self.engine.port), "--ledger", self.inject_ledger, "--domains", ",".join(names), "--shapes",
                "--count", str(args.mails), "--seed", str(args.seed), "--threads", "8"],
                stdout=out, stderr=subprocess.STDOUT, preexec_fn=world.die_with_parent))

    def delivered(self):
        """Messages at the sinks, an estimate while one is still being written."""
        count = sum(sink.count() for sink in self.dumps) + self.committed.look()
        if count != self.moved_to:
            self.moved_at, self.moved_to = time.monotonic(), count
        return count

    def line(self, phase):
        queued = self.engine.queued()
        return "%s: accepted %d, at the sinks %d, queued %s" % (
            phase, self.accepted.look(), self.delivered(), "?" if queued is None else queued)


# ---------------------------------------------------------------- the story

def inject_and_kill(scene, args, progress, rng):
    """Kills once, somewhere between a quarter and two thirds of the mail."""
    moment = int(args.mails * rng.uniform(0.25, 0.66))
    killed = False
    end = time.monotonic() + INJECT_LIMIT_S
    while scene.injector.running():
        if not killed and scene.accepted.look() >= moment:
            at_sinks = scene.delivered()
            scene.engine.kill()
            scene.engine.start(wait=False)
            began = time.monotonic()
            scene.engine.wait_ready()
            progress.clear()
            say("kill", "SIGKILL with %d accepted and %d at the sinks; ready again after %.0f ms" % (
                scene.accepted.look(), at_sinks, (time.monotonic() - began) * 1000))
            killed = True
        progress.show(scene.line("inject"))
        if not scene.engine.running():
            raise e2e.Failure("ringpostd ended by itself\n" + scene.engine.tail())
        if time.monotonic() > end:
            raise e2e.Failure("injection took more than %g s\n%s" % (INJECT_LIMIT_S, scene.engine.tail()))
        time.sleep(0.02)
    progress.clear()
    with open(scene.injector_out, errors="replace") as said:
        words = said.read().strip()
    if scene.injector.child.returncode != 0 or not killed:
        raise e2e.Failure("the injector did not do its work: " + words)
    say("inject", words.replace("inject: ", "").replace("\n", "; "))


def compare(scene):
    book = ledger.Ledger().read(scene.inject_ledger).read(scene.sink_ledger)
    octets = sum(world.dumps_to_ledger(sink, book) for sink in scene.dumps)
    traced = all(dump.trace for sink in scene.dumps for dump in sink.dumps())
    log = ledger.Log().read(scene.engine.log)
    return ledger.check(book, log), octets, traced, book


def report(scene, verdict, octets, traced, book, seconds):
    say("compare", "%d copies at the smtp-sinks, %.0f MB, and %d at the strict sink" % (
        sum(sink.count() for sink in scene.dumps), octets / 1e6, scene.committed.look()))
    refused = sum(fate == "refused" and ident in book.offered for ident, fate in book.fate.items())
    counted = scene.engine.metrics().get("ringpost_ambiguous_redelivery_total")
    say("twice", "%d announced in the log, ringpost_ambiguous_redelivery_total %s, copies seen %d" % (
        verdict.ambiguous, "absent" if counted is None else "%d" % counted, verdict.duplicates))
    good = verdict.good() and traced and counted is not None and verdict.duplicates <= counted
    if not traced:
        say("fault", "a message came without the engine's Received field")
    if refused:
        say("fault", "%d offers were refused" % refused)
    for example in verdict.examples:
        say("fault", example)
    print("accepted %d (%d recipients), delivered %d, bounced %d (null MX), duplicates %d (explained %d), "
          "unexplained %d, %.0f messages/s, lost %d, altered %d" % (
              verdict.messages, verdict.recipients, verdict.delivered, verdict.bounced, verdict.duplicates,
              verdict.duplicates - verdict.unexplained, verdict.unexplained + verdict.invented + verdict.uninvited,
              verdict.messages / seconds, verdict.lost, verdict.altered), flush=True)
    return 0 if good else 1


def expected_bounces(book, null):
    return sum(r.endswith("@" + null) for _, rcpts in book.accepted.values() for r in rcpts)


def run(stage, args):
    rng = random.Random(args.seed)
    progress = Progress()
    scene = Scene(stage, args.keep)
    scene.engine.start()
    say("engine", "ringpostd, process %d, injection on %s:%d" % (
        scene.engine.pid, scene.engine.host, scene.engine.port))
    began = time.monotonic()
    scene.start_injector(stage, args)
    inject_and_kill(scene, args, progress, rng)
    scene.engine.drain(DRAIN_LIMIT_S, lambda queued: progress.show(scene.line("drain")))
    progress.clear()
    scene.delivered()
    seconds = scene.moved_at - began
    say("drain", "the queue was empty %.1f s after the first connection" % seconds)
    verdict, octets, traced, book = compare(scene)
    nulls = expected_bounces(book, scene.null)
    if verdict.bounced != nulls:
        verdict.fault("lost", "%d bounced, but %d are for the domain that takes no mail" % (verdict.bounced, nulls))
    if args.keep:
        kept(stage, scene)
    else:
        code = scene.engine.stop()
        say("end", "TERM: exit %s" % code)
        if code != 0:
            verdict.fault("lost", "the engine did not end cleanly")
    return report(scene, verdict, octets, traced, book, seconds)


def kept(stage, scene):
    things = [scene.dns, *scene.dumps, scene.strict, scene.engine]
    stage.things.clear()
    say("kept", "%s: main.cf, spool and maillog in engine/, messages in sink-*/" % stage.dir)
    say("", "tail -f %s" % shlex.quote(scene.engine.log))
    say("", "to end it: kill %s; rm -r %s" % (" ".join(str(t.pid) for t in things), shlex.quote(stage.dir)))


def main():
    p = argparse.ArgumentParser(usage="tools/demo [--keep] [--mails N] [--seed N] [--no-build]",
                                description=__doc__.partition("\n\n")[2].partition("\n\n")[2],
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--keep", action="store_true", help=argparse.SUPPRESS)
    p.add_argument("--mails", type=int, default=2000, help=argparse.SUPPRESS)
    p.add_argument("--seed", type=int, default=1, help=argparse.SUPPRESS)
    p.add_argument("--no-build", action="store_true", help=argparse.SUPPRESS)
    args = p.parse_args()
    try:
        if not args.no_build:
            build()
        with e2e.Stage("demo", keep=args.keep) as stage:
            return run(stage, args)
    except e2e.Failure as failure:
        print("\ndemo: %s" % failure, file=sys.stderr)
        return 1
    except (e2e.Interrupted, KeyboardInterrupt) as stop:
        print("\ndemo: %s; everything it started is stopped" % (stop or "interrupted"), file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
