"""sessions - 2,000 sessions at a time to slow servers, on two cores

Eight smtp-sink processes take several seconds to answer DATA, so sessions pile up until each of eight
domains has its 250. Printed: the peak, the engine's resident memory, its threads. Claims: no deferral
and no bounce, all delivered, the peak was reached, the engine's own threads are cores + 2: one a core,
the log writer, main.

The kernel shows its io workers (iou-wrk-<thread of the ring>) among a process's threads. They are not
ours, come when an operation has to wait (fdatasync of the journal) and go again; of them there must be
at most one a ring (row URG-18).
"""

import argparse
import collections
import os
import resource
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import engine  # noqa: E402
import inject  # noqa: E402
import ledger  # noqa: E402
import mails  # noqa: E402
import tap  # noqa: E402
import world  # noqa: E402

CORES = 2
SINKS = 8
KERNEL_WORKER = "iou-wrk-"


def established(net, port):
    """Connections towards the sinks, counted from the client's end so that each is counted once."""
    prefix = socket.inet_aton(net.address(0))[:3][::-1].hex().upper()   # /proc has the address in host order
    want = "%s:%04X" % (prefix, port)
    count = 0
    with open("/proc/net/tcp", encoding="ascii") as rows:
        next(rows)
        for row in rows:
            f = row.split(None, 4)
            count += f[3] == "01" and f[2][2:] == want
    return count


class Watch(threading.Thread):
    """Peak of sessions, memory and threads while the test runs."""

    def __init__(self, one, net, port):
        super().__init__(daemon=True)
        self.one, self.net, self.port = one, net, port
        self.sessions = self.rss = 0
        self.own = {}                               # thread id -> name
        self.workers = collections.Counter()        # name, which has the ring's thread in it -> most at a time
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.1):
            try:
                self.sessions = max(self.sessions, established(self.net, self.port))
                self.rss = max(self.rss, self.one.rss_kib())
                self.look_at_threads(self.one.threads())
            except (OSError, StopIteration, AttributeError):    # between two lives
                pass

    def look_at_threads(self, threads):
        workers = collections.Counter(name for name in threads.values() if name.startswith(KERNEL_WORKER))
        self.workers |= workers                     # the greater count of each
        own = {tid: name for tid, name in threads.items() if not name.startswith(KERNEL_WORKER)}
        self.own = own if len(own) >= len(self.own) else self.own


def run(stage, args, t):
    each = args.sessions // SINKS
    net = world.Net()
    zone = world.Zone()
    domains = []
    for i in range(SINKS):
        domains.append(zone.mx("slow%d.test" % i, (10, zone.host("mx%d.test" % i, net.address(i + 1)))))
    dns = stage.add(world.Dns(stage, zone))
    sinks = [stage.add(world.DumpSink(stage, net.address(i + 1), net.port, ["-w", str(args.delay)]))
             for i in range(SINKS)]
    one = stage.add(engine.Engine(stage, {
        "dns_servers": dns.endpoint, "smtp_tcp_port": str(net.port), "worker_threads": str(CORES),
        "default_destination_concurrency_limit": str(each), "initial_destination_concurrency": str(each),
        "minimal_backoff_time": "1s"}))
    one.start()
    idle = one.rss_kib()
    watch = Watch(one, net, net.port)
    watch.start()

    path = stage.path("inject.ledger")
    book = inject.Book(path)
    count = args.sessions * 2
    contents = mails.mails(args.seed, count, ((1, 1024, 4096),))
    plan = inject.Plan([inject.Job(c, [domains[i % SINKS]], False, True) for i, c in enumerate(contents)])
    crew = [inject.Injector(plan, book, one.host, one.port, 1000) for _ in range(8)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join(120)
    book.flush()
    t.ok(book.count["accepted"] == count, "all %d mails were accepted" % count, book.summary())
    one.drain(args.delay * 4 + 60)
    watch.over.set()
    watch.join()
    after = one.metrics()

    log = ledger.Log().read(one.log)
    merged = ledger.Ledger().read(path)
    for sink in sinks:
        world.dumps_to_ledger(sink, merged)
    verdict = ledger.check(merged, log)
    t.ok(watch.sessions >= args.sessions, "%d sessions were open at one time" % args.sessions,
         "the peak was %d" % watch.sessions)
    t.ok(verdict.good() and verdict.delivered == count and verdict.duplicates == 0,
         "every mail arrived once and unaltered", verdict.line() + "\n" + "\n".join(verdict.examples))
    t.ok(log.deferred == 0 and after.get("ringpost_deferred_total", 0) == 0 and not log.bounced,
         "nothing was deferred or bounced", "%d deferred, %d bounced" % (log.deferred, len(log.bounced)))
    check_threads(t, watch)
    limit = 2048 if engine.sanitized() else 512
    t.ok(watch.rss <= limit * 1024, "resident memory stayed below %d MiB" % limit, "%d KiB" % watch.rss)
    code = one.stop()
    t.ok(code == 0, "TERM ended it with 0", "it was %s" % code)
    print("sessions: peak=%d rss_idle_kib=%d rss_peak_kib=%d kib_per_session=%.1f threads=%d (%s) "
          "kernel_workers=%d (%s)" % (
              watch.sessions, idle, watch.rss, (watch.rss - idle) / max(1, watch.sessions), len(watch.own),
              " ".join(sorted(watch.own.values())), sum(watch.workers.values()), " ".join(sorted(watch.workers))),
          flush=True)


def check_threads(t, watch):
    names = sorted(watch.own.values())
    t.ok(len(names) == CORES + 2, "it has %d threads of its own: cores + 2" % (CORES + 2), " ".join(names))
    want = {"rp-core%d" % i for i in range(CORES)} | {"rp-log"}
    t.ok(want <= set(names), "they are named after their work", " ".join(names))
    t.ok(len(watch.workers) <= CORES and all(most <= 1 for most in watch.workers.values()),
         "the kernel had at most one io worker a ring for it (URG-18)", str(dict(watch.workers)))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sessions", type=int, default=2000)
    p.add_argument("--delay", type=int, default=8, help="seconds until a sink answers DATA")
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    t = tap.Tap("sessions")
    with e2e.Stage("sessions") as stage:
        t.case("the run came to its end", run, stage, args, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
