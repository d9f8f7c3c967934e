#!/usr/bin/env python3
"""kill - SIGKILL the engine at random times under load; nothing may be lost, altered or silently repeated

Eight injectors and four sinks (one is Postfix's smtp-sink, one is slow, one refuses now and then) keep
ledgers. The engine is killed at a uniformly random moment 0 to 400 ms after its start, or, every other
time, after it greets (a start takes a good part of 400 ms, and what is under way later counts most), and
started again at once; one time in ten it is killed once more within its first 50 ms, while it recovers. At the end
injection stops, the queue drains, and invariants I1 to I5 (tests/lib/ledger.py) are decided. A last
start must find nothing to do (I8).

The line that begins with `kill:` is for programs: name=value pairs. Exit 0 if every invariant held.

    --kills N      SIGKILLs in all (default 25)
    --seed N       of the moments and the mail (default: random, printed)
    --rate N       mails a second that the injectors aim at (default 1000; 0: as fast as they can)
    --rude P       odds that the rude sink commits and then drops the connection (default 0)
    --engine-option NAME=VALUE   goes into main.cf
    --keep         leave ledgers, dumps and logs, and say where
"""

import argparse
import os
import random
import subprocess
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

MOMENT_MAX_S = 0.4
RECOVERY_MAX_S = 0.05
FROM_READY_ODDS = 0.5
DOUBLE_ODDS = 0.1
DRAIN_LIMIT_S = 90.0


class Scene:
    """Names, sinks, engine and injectors of one campaign."""

    def __init__(self, stage, args):
        self.net = world.Net()
        self.port = self.net.port
        zone = world.Zone()
        self.domains = []
        for i in range(8):
            host = zone.host("mx%d.test" % i, self.net.address(i % 4 + 1))
            self.domains.append(zone.mx("d%d.test" % i, (10, host)))
        self.dns = stage.add(world.Dns(stage, zone))
        self.dump = stage.add(world.DumpSink(stage, self.net.address(1), self.port))
        self.sink_ledgers = []
        rude = ["--tempfail", "0.01"] + (["--drop-after", str(args.rude)] if args.rude else [])
        for last, options in ((2, []), (3, rude), (4, ["--slow", "20"])):
            self.sink_ledgers.append(stage.path("sink%d.ledger" % last))
            stage.add(world.LedgerSink(stage, ["%s:%d" % (self.net.address(last), self.port)],
                                       self.sink_ledgers[-1], options))
        self.engine = stage.add(engine.Engine(stage, {
            "dns_servers": self.dns.endpoint,
            "smtp_tcp_port": str(self.port),
            "minimal_backoff_time": "1s",
            "maximal_backoff_time": "2s",
            **dict(o.split("=", 1) for o in args.engine_option)}))
        self.inject_ledger = stage.path("inject.ledger")
        self.inject_out = stage.path("inject.out")
        self.args = args

    def start_injectors(self, stage):
        argv = [sys.executable, "-B", os.path.join(ROOT, "tests", "lib", "inject.py"), "--port",
                str(self.engine.port), "--ledger", self.inject_ledger, "--domains", ",".join(self.domains),
                "--threads", "8", "--small", "--seed", str(self.args.seed), "--rate", str(self.args.rate)]
        with open(self.inject_out, "wb") as out:
            self.injectors = stage.add(e2e.Process("inject.py", argv, stdout=out, stderr=subprocess.STDOUT,
                                                   preexec_fn=world.die_with_parent))

    def stop_injectors(self):
        self.injectors.stop(60.0, expect=0)
        with open(self.inject_out, errors="replace") as said:
            return said.read().strip()

    def ledger(self):
        book = ledger.Ledger().read(self.inject_ledger)
        for path in self.sink_ledgers:
            book.read(path)
        world.dumps_to_ledger(self.dump, book)
        return book


def campaign(scene, rng, kills, died):
    """Returns (kills, double kills). An engine that ended by itself is noted in died and started again."""
    done = doubles = 0
    while done < kills:
        if rng.random() < FROM_READY_ODDS and scene.engine.running():
            scene.engine.wait_ready()
        time.sleep(rng.uniform(0, MOMENT_MAX_S))
        strike(scene.engine, died)
        done += 1
        if done < kills and rng.random() < DOUBLE_ODDS:
            time.sleep(rng.uniform(0, RECOVERY_MAX_S))
            strike(scene.engine, died)
            done, doubles = done + 1, doubles + 1
        if sys.stderr.isatty():
            print("\rkill: %d of %d" % (done, kills), end="", file=sys.stderr, flush=True)
    return done, doubles


def strike(one, died):
    if not one.running():
        died.append("exit %s\n%s" % (one.process.child.returncode, one.tail()))
        if len(died) > 3:
            raise e2e.Failure("the engine ends by itself: %s" % died[-1])
    one.kill()
    one.start(wait=False)


def judge(t, scene, said):
    log = ledger.Log().read(scene.engine.log)
    verdict = ledger.check(scene.ledger(), log)
    t.ok(verdict.messages > 0, "mail was accepted", said)
    words = {"lost": "I1 every accepted recipient was delivered or bounced",
             "altered": "I2 every delivered message equals its original",
             "unexplained": "I3 every further copy was announced by the engine",
             "invented": "I4 nothing was delivered that nobody offered",
             "uninvited": "I5 what was not accepted was delivered only where our 250 was lost"}
    for fault in verdict.FAULTS:
        t.ok(getattr(verdict, fault) == 0, words[fault],
             "\n".join(e for e in verdict.examples if e.startswith(fault)))
    t.ok(verdict.bounced == 0, "no recipient bounced, as no sink refuses for good", "%d did" % verdict.bounced)
    return verdict


def run(stage, args, t):
    rng = random.Random(args.seed)
    scene = Scene(stage, args)
    scene.engine.start()
    scene.start_injectors(stage)
    died = []
    began = time.monotonic()
    kills, doubles = campaign(scene, rng, args.kills, died)
    seconds = time.monotonic() - began
    scene.engine.wait_ready()
    said = scene.stop_injectors()
    scene.engine.drain(DRAIN_LIMIT_S)
    t.ok(True, "the queue drained after %d kills" % kills)
    code = scene.engine.stop()
    t.ok(code == 0, "TERM ended the drained engine with 0", "it was %s" % code)
    scene.engine.start()
    scene.engine.drain(20)
    t.ok(scene.engine.metrics().get("ringpost_sent_total", 0) == 0, "I8 the next start had nothing left to do")
    scene.engine.stop()
    t.ok(not died, "the engine never ended by itself", "\n".join(died))
    verdict = judge(t, scene, said)
    t.note(said)
    print("kill: kills=%d doubles=%d seconds=%.1f seed=%d %s" % (
        kills, doubles, seconds, args.seed, verdict.line()), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kills", type=int, default=25)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    p.add_argument("--rate", type=float, default=1000.0)
    p.add_argument("--rude", type=float, default=0.0)
    p.add_argument("--engine-option", action="append", default=[], metavar="NAME=VALUE")
    p.add_argument("--keep", action="store_true")
    args = p.parse_args()
    t = tap.Tap("kill")
    with e2e.Stage("kill", keep=args.keep) as stage:
        t.case("the campaign ran to its end", run, stage, args, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
