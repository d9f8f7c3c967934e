#!/usr/bin/env python3
"""bench - ringpostd against Postfix, end to end and durable, in the same run

smtp-source injects, smtp-sink swallows, the relay under test sits between them; all on this machine's
loopback. The relays take turns: a repetition is one fresh instance of each, warmed up, with the same
sink program and the same load, and once no relay at all, which is the ceiling. bench/README.md says how to read the figures.

    tools/bench                     the comparison (about 3 minutes)
    tools/bench --only postfix      the peer alone
    tools/bench --micro             the micro-benchmarks of bench/ instead
    tools/bench --tls-reuse         both relays in TLS to the sink, connections kept and not
    tools/bench --engine            the engine alone beside a plain send of the same octets; --content: messages of
                                    1 to 1000 KiB, changed on their way or not; --zero-copy: SEND_ZC never,
                                    as decided, always

exit  0 measured, 1 something is missing or was lost, 2 wrong usage, 130 interrupted
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e                              # noqa: E402
import postfix_instance                 # noqa: E402

OTHERS = ("bench_engine_alone", "bench_tls", "bench_sink")     # programs that --micro leaves out
MODES = {"fresh": "a connection per message", "kept": "connections kept"}
RATIO_TARGET = 10.0                     # what "done" asks for; printed beside the figure, never enforced


# ---------------------------------------------------------------- the machine

def first_line(path, key):
    try:
        with open(path) as f:
            for line in f:
                if line.startswith(key):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown"


def filesystem_of(path):
    """Type and mount point: the longest mount point that is a prefix of the path."""
    best = ("", "unknown")
    with open("/proc/self/mounts") as f:
        for line in f:
            _, point, kind = line.split()[:3]
            if (path + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best[0]):
                best = (point, kind)
    return "%s on %s" % (best[1], best[0])


def sync_latency(directory, rounds=200, size=4096):
    """Appends and fdatasyncs the way a spool does; microseconds: (median, 99th percentile), and the
    number of rounds."""
    path = os.path.join(directory, "latency")
    block = os.urandom(size)
    took = []
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        for _ in range(rounds):
            start = time.perf_counter_ns()
            os.write(fd, block)
            os.fdatasync(fd)
            took.append((time.perf_counter_ns() - start) / 1000)
    finally:
        os.close(fd)
        os.unlink(path)
    took.sort()
    return statistics.median(took), took[int(len(took) * 0.99) - 1], rounds


def device_flushes(directory):
    """Flushes the block device under the spool has completed, for everybody on this machine; None where
    the file system has no device of its own. It shows that a relay really goes to the disk."""
    dev = os.stat(directory).st_dev
    try:
        with open("/sys/dev/block/%d:%d/stat" % (os.major(dev), os.minor(dev))) as f:
            return int(f.read().split()[15])
    except (OSError, IndexError):
        return None


def machine_facts(directory):
    flushes = device_flushes(directory)
    median, p99, rounds = sync_latency(directory)
    seen = None if flushes is None else device_flushes(directory) - flushes
    return {
        "kernel": platform.release(),
        "cores": len(os.sched_getaffinity(0)),
        "cpu": first_line("/proc/cpuinfo", "model name"),
        "memory_kib": first_line("/proc/meminfo", "MemTotal").split()[0],
        "spool_filesystem": filesystem_of(os.path.realpath(directory)),
        "fdatasync_us_median": round(median),
        "fdatasync_us_p99": round(p99),
        # A disk without a volatile cache is never asked to flush: then the column proves nothing.
        "flushes_countable": seen is not None and seen >= rounds,
        "load_average_before": os.getloadavg()[0],
    }


# ---------------------------------------------------------------- the two relays

class Ringpostd:
    """The engine as an operator would start it: a directory with a main.cf, and -c."""

    name = "ringpostd"

    def __init__(self, stage, label, sink, args):
        self.dir = stage.path(label)
        self.host, self.port = "127.0.0.1", e2e.free_port()
        self.log = os.path.join(self.dir, "maillog")
        os.makedirs(os.path.join(self.dir, "spool"), mode=0o700)
        settings = {
            "spool_directory": os.path.join(self.dir, "spool"),
            "inject_smtp_listen": "%s:%d" % (self.host, self.port),
            "relayhost": "[%s]:%d" % (sink.host, sink.port),
            "mynetworks": "127.0.0.0/8",
            "smtp_deny_networks": "",     # the sinks are on loopback addresses
            "myhostname": "ringpost.bench.test",
            "worker_threads": str(args.threads),
            "maillog_file": self.log,
            "default_destination_concurrency_limit": str(args.sessions),
            "initial_destination_concurrency": str(args.sessions),
        }
        with open(os.path.join(self.dir, "main.cf"), "w") as f:
            f.writelines("%s = %s\n" % item for item in settings.items())
        argv = [args.ringpostd, "-c", self.dir]
        for setting in args.set:
            argv += ["-o", setting]
        self.errors = os.path.join(self.dir, "stderr")
        with open(self.errors, "wb") as err:
            self.process = e2e.Process("ringpostd", argv, stdout=err, stderr=err, cwd=self.dir)
        try:
            e2e.wait_for("the greeting of ringpostd", self._greets, 20)
        except e2e.Failure as failure:
            self.process.stop()
            raise e2e.Failure("%s\n%s" % (failure, self.said())) from failure

    def _greets(self):
        if not self.process.running():
            raise e2e.Failure("ringpostd ended at once with exit %d" % self.process.child.returncode)
        return e2e.greets(self.host, self.port)

    def said(self, size=2000):
        text = ""
        for path in (self.errors, self.log):
            if os.path.exists(path):
                with open(path, "rb") as f:
                    f.seek(max(0, os.path.getsize(path) - size))
                    text += f.read().decode(errors="replace")
        return text.strip()

    def cpu_seconds(self):
        return e2e.cpu_seconds(self.process.pid)

    def running(self):
        return self.process.running()

    def settled(self):
        return True             # its exit after TERM, code 0, says that everything is settled

    def stop(self):
        if self.process.running():
            self.process.stop(limit_s=30, expect=0)
        elif self.process.child.returncode != 0:
            raise e2e.Failure("ringpostd ended by itself with %d\n%s"
                              % (self.process.child.returncode, self.said()))


class Postfix:
    """The peer: see postfix_instance.relay for every setting and its reason."""

    name = "postfix"

    def __init__(self, stage, label, sink, args):
        self.instance = postfix_instance.relay(stage.path(label), (sink.host, sink.port),
                                               concurrency=args.sessions)
        self.host, self.port = self.instance.host, self.instance.port

    def said(self):
        return self.instance.log_tail()

    def cpu_seconds(self):
        return self.instance.cpu_seconds()

    def running(self):
        return self.instance.pid != 0

    def settled(self):
        return self.instance.queued() == 0

    def stop(self):
        self.instance.stop()


class Direct:
    """No relay at all: smtp-source straight into smtp-sink. What the two tools can do on this machine
    is what no relay between them can pass."""

    name = "no relay"

    def __init__(self, _stage, _label, sink, _args):
        self.host, self.port = sink.host, sink.port

    def said(self):
        return "(nothing)"

    def cpu_seconds(self):
        return 0.0

    def running(self):
        return True

    def settled(self):
        return True

    def stop(self):
        pass


class TlsSink(e2e.Sink):
    """A sink with STARTTLS, bench/sink.c, for smtp-sink has none. It counts in the same way."""

    program = ""

    def _argv(self, _options, _backlog, _sessions_max):
        return [TlsSink.program, self.host, str(self.port)]


# What the seed's manual page tells to set for TLS, in the words that both understand.
TLS = {"smtp_tls_security_level": "encrypt",
       "smtp_tls_session_cache_database": "btree:${data_directory}/smtp_scache"}


class TlsRingpostd(Ringpostd):
    """In TLS to the sink, a connection for each message."""

    reuse = "no"

    def __init__(self, stage, label, sink, args):
        settings = dict(TLS, smtp_tls_connection_reuse=self.reuse)
        more = argparse.Namespace(**vars(args))
        more.set = args.set + ["%s=%s" % item for item in settings.items()]
        super().__init__(stage, label, sink, more)


class TlsPostfix(Postfix):
    """The same of Postfix; whoever keeps connections in TLS has them in tlsproxy(8)."""

    reuse = "no"

    def __init__(self, stage, label, sink, args):
        self.instance = postfix_instance.relay(stage.path(label), (sink.host, sink.port), concurrency=args.sessions,
                                               overrides=dict(TLS, smtp_tls_connection_reuse=self.reuse))
        self.host, self.port = self.instance.host, self.instance.port


class ReusingRingpostd(TlsRingpostd):
    reuse = "yes"


class ReusingPostfix(TlsPostfix):
    reuse = "yes"


RELAYS = {"ringpostd": Ringpostd, "postfix": Postfix, "none": Direct}
TLS_RELAYS = {"ringp.new": TlsRingpostd, "ringp.kept": ReusingRingpostd,
              "postf.new": TlsPostfix, "postf.kept": ReusingPostfix}


# ---------------------------------------------------------------- one measurement

def measure(stage, kind, relay, sink, mode, count, args):
    """Injects count messages and waits for all of them at the other end. Time starts before smtp-source
    is started, so its start-up (some 10 ms) is charged to the relay, to both alike."""
    sink.mark()
    cpu, cpu_sink, flushes = relay.cpu_seconds(), sink.cpu_seconds(), device_flushes(stage.dir)
    source = stage.add(e2e.Source(stage, relay.host, relay.port, count, size=args.size,
                                  sessions=args.sessions, kept=mode == "kept"))
    accepted_s = source.wait(args.limit)
    stage.things.remove(source)
    delivered_s = sink.wait_count(count, args.limit, relay.running) - source.started
    cpu, cpu_sink = relay.cpu_seconds() - cpu, sink.cpu_seconds() - cpu_sink
    after = device_flushes(stage.dir)
    e2e.wait_for("an empty queue in %s" % relay.name, relay.settled, 30)
    time.sleep(0.1)                     # a message too many would come now
    if sink.count() != count:
        raise e2e.Failure("%s: the sink has %d messages of %d" % (relay.name, sink.count(), count))
    return {
        "relay": kind, "mode": mode, "messages": count,
        "seconds": delivered_s,
        "end_to_end_per_s": count / delivered_s,
        "accepted_per_s": count / accepted_s,
        "cpu_us": cpu / count * 1e6,
        "cpu_source_us": source.cpu / count * 1e6,
        "cpu_sink_us": cpu_sink / count * 1e6,
        "device_flushes": None if flushes is None or after is None else after - flushes,
    }


def one_instance(stage, kind, rep, args):
    """A fresh relay and a fresh sink: warm-up, then every mode. Returns its measurements."""
    count = args.peer_count if kind.startswith("postf") else args.count
    sink = stage.add((TlsSink if args.tls_reuse else e2e.Sink)(stage, host="127.0.0.2"))
    relay = stage.add({**RELAYS, **TLS_RELAYS}[kind](stage, "%s.%d" % (kind, rep), sink, args))
    results = []
    try:
        for mode in args.modes:         # the first messages pay for forks and empty caches
            measure(stage, kind, relay, sink, mode, args.warmup, args)
        for mode in args.modes:
            result = measure(stage, kind, relay, sink, mode, count, args)
            result["repetition"] = rep
            print(line_of(result), flush=True)
            results.append(result)
        total = sink.total()
    except e2e.Failure as failure:
        raise e2e.Failure("%s\nthe last words of %s:\n%s" % (failure, kind, relay.said())) from failure
    stage.end(relay)
    if sink.total() != total:
        raise e2e.Failure("%s sent %d messages more while stopping" % (kind, sink.total() - total))
    stage.end(sink)
    if not args.keep:
        shutil.rmtree(stage.path("%s.%d" % (kind, rep)), ignore_errors=True)
    return results


def check_durable(results):
    """A relay that was never seen to ask the disk for anything did not do the work of the other."""
    for r in results:
        if r["relay"] != "none" and r["device_flushes"] == 0:
            raise e2e.Failure("%s: %d messages (%s) without one flush of the disk: not durable"
                              % (r["relay"], r["messages"], r["mode"]))


def compare(stage, args):
    """The relays take turns, and so does who goes first, so that a machine that warms up or a disk that
    fills favours nobody."""
    results = []
    print(HEADING)
    for rep in range(1, args.reps + 1):
        for kind in args.relays if rep % 2 else args.relays[::-1]:
            results += one_instance(stage, kind, rep, args)
    return results


# ---------------------------------------------------------------- output

HEADING = ("rep relay      mode   messages  end-to-end/s  accepted/s   CPU us/message: relay source"
           "  sink   flushes/1000")


def line_of(r):
    flushes = "-" if r["device_flushes"] is None else "%.1f" % (
        r["device_flushes"] / r["messages"] * 1000)
    return "%3s %-10s %-6s %8d %13.0f %11.0f %23.0f %6.0f %5.0f %14s" % (
        r["repetition"], r["relay"], r["mode"], r["messages"], r["end_to_end_per_s"],
        r["accepted_per_s"], r["cpu_us"], r["cpu_source_us"], r["cpu_sink_us"], flushes)


def median_of(results, kind, mode):
    rows = [r for r in results if r["relay"] == kind and r["mode"] == mode]
    if not rows:
        return None
    merged = dict(rows[0], repetition="med")
    for key, value in rows[0].items():
        if isinstance(value, float):
            merged[key] = statistics.median(r[key] for r in rows)
    if rows[0]["device_flushes"] is not None:
        merged["device_flushes"] = statistics.median(r["device_flushes"] for r in rows)
    return merged


def summary(results, args):
    """Prints the medians and the ratios; returns both for the JSON file."""
    print("\nmedians of %d" % args.reps)
    print(HEADING)
    medians, ratios = [], {}
    for mode in args.modes:
        both = {kind: median_of(results, kind, mode) for kind in args.relays}
        for m in both.values():
            print(line_of(m))
            medians.append(m)
        if both.get("ringpostd") and both.get("postfix"):
            ratios[mode] = {
                key: both["ringpostd"][key] / both["postfix"][key]
                for key in ("end_to_end_per_s", "accepted_per_s")}
        elif args.tls_reuse:
            rate = {kind: m["end_to_end_per_s"] for kind, m in both.items()}
            print("connections in TLS kept against new ones: ringpostd %.1f, postfix %.1f; ringpostd/postfix: kept %.1f, "
                  "new %.1f" % (rate["ringp.kept"] / rate["ringp.new"], rate["postf.kept"] / rate["postf.new"],
                                rate["ringp.kept"] / rate["postf.kept"], rate["ringp.new"] / rate["postf.new"]))
    for mode, ratio in ratios.items():
        print("ratio ringpostd/postfix, %-25s end to end %.1f (target %g), accepted %.1f"
              % (MODES[mode] + ":", ratio["end_to_end_per_s"], RATIO_TARGET, ratio["accepted_per_s"]))
    return medians, ratios


# ---------------------------------------------------------------- micro-benchmarks

def micro(args):
    """Every bench_* program of the build, one after the other; further arguments go to them."""
    folder = os.path.join(args.build, "bench")
    programs = sorted(p for p in (os.listdir(folder) if os.path.isdir(folder) else ())
                      if p.startswith("bench_") and p not in OTHERS and os.path.isfile(os.path.join(folder, p))
                      and os.access(os.path.join(folder, p), os.X_OK))
    if not programs:
        raise e2e.Failure("no bench_* in %s: meson compile -C %s" % (folder, args.build))
    failed = []
    for program in programs:
        print("== %s" % program, flush=True)
        run = subprocess.run([os.path.join(folder, program)] + args.rest, timeout=600,
                             stdin=subprocess.DEVNULL, check=False)
        if run.returncode != 0:
            failed.append(program)
    if failed:
        raise e2e.Failure("failed: %s" % " ".join(failed))
    return 0


# ---------------------------------------------------------------- command line

def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def arguments():
    p = argparse.ArgumentParser(
        prog="tools/bench", description="ringpostd against Postfix, end to end and durable",
        epilog="tools/bench --engine [--content | --zero-copy | --tls]: the engine alone, beside a plain send of the same "
               "octets. tools/bench --tls: TLS alone. "
               "bench/README.md says what is measured and how to read it.")
    p.add_argument("--count", type=positive, default=20000, help="messages per run (default 20000)")
    p.add_argument("--peer-count", type=positive,
                   help="messages per run for Postfix (default: a quarter of --count; it takes longer "
                        "for these than ringpostd for all)")
    p.add_argument("--size", type=positive, default=4096, help="bytes per message (default 4096)")
    p.add_argument("--sessions", type=positive, default=50,
                   help="injector sessions, and concurrency to the sink (default 50)")
    p.add_argument("--reps", type=positive, default=3, help="repetitions (default 3, medians count)")
    p.add_argument("--warmup", type=positive, default=500, help="unmeasured messages (default 500)")
    p.add_argument("--modes", default="fresh,kept",
                   help="fresh: a connection per message; kept: connections kept (default both)")
    p.add_argument("--only", choices=sorted(RELAYS), help="measure one alone; none is smtp-source straight into smtp-sink, the ceiling")
    p.add_argument("--threads", type=positive, default=2, help="worker_threads of ringpostd (2)")
    p.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                   help="a further parameter for ringpostd, as its -o")
    p.add_argument("--build", help="build directory (default $RINGPOST_BUILD, or build)")
    p.add_argument("--ringpostd", help="the program (default BUILD/tools/ringpostd)")
    p.add_argument("--spool", default="/var/tmp",
                   help="where both spools live; must be a real disk (default /var/tmp)")
    p.add_argument("--limit", type=positive, default=120, help="seconds one run may take (default 120)")
    p.add_argument("--json", metavar="FILE", help="write everything measured to FILE")
    p.add_argument("--keep", action="store_true", help="keep spools and logs")
    p.add_argument("--micro", action="store_true",
                   help="run the micro-benchmarks; what follows -- goes to them")
    p.add_argument("--tls-reuse", action="store_true",
                   help="both relays in TLS to the sink, with smtp_tls_connection_reuse and without")
    p.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    args = p.parse_args()
    args.build = args.build or os.environ.get("RINGPOST_BUILD") or os.path.join(ROOT, "build")
    args.modes = args.modes.split(",")
    if not set(args.modes) <= set(MODES):
        p.error("--modes knows: %s" % ", ".join(MODES))
    if args.rest and not args.micro:
        p.error("unexpected: %s" % " ".join(args.rest))
    args.ringpostd = args.ringpostd or os.path.join(args.build, "tools", "ringpostd")
    args.peer_count = args.peer_count or max(1, args.count // 4)
    args.relays = [args.only] if args.only else ["ringpostd", "postfix", "none"]
    if args.tls_reuse:
        args.relays = list(TLS_RELAYS)
        TlsSink.program = os.path.join(args.build, "bench", "bench_sink")
    return args


def check_before(args):
    """Everything that can be missing is looked for before the first minute is spent."""
    if "ringpostd" in args.relays and not os.access(args.ringpostd, os.X_OK):
        raise e2e.Failure("%s is missing: build it, or say --only postfix" % args.ringpostd)
    for program in ("smtp-source", "smtp-sink"):
        e2e.postfix_program(program)
    e2e.need_root()
    if not os.path.isdir(args.spool):
        raise e2e.Failure("--spool %s is not a directory" % args.spool)
    if filesystem_of(os.path.realpath(args.spool)).startswith(("tmpfs", "ramfs")):
        raise e2e.Failure("--spool %s lives in memory: nothing durable to measure" % args.spool)


def run(args):
    if args.micro:
        return micro(args)
    check_before(args)
    with e2e.Stage("bench", base=args.spool, keep=args.keep) as stage:
        facts = machine_facts(stage.dir)
        for key, value in facts.items():
            print("%-21s %s" % (key, value))
        if facts["load_average_before"] > 0.5:
            print("note: the machine is busy; read the ratios, not the rates")
        print("load: %d bytes, %d sessions, 1 recipient, 1 destination; concurrency %d, fsync as each "
              "relay does it\n" % (args.size, args.sessions, args.sessions))
        results = compare(stage, args)
        if facts["flushes_countable"]:
            check_durable(results)
        medians, ratios = summary(results, args)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"machine": facts, "options": {k: v for k, v in vars(args).items()
                                                     if k not in ("rest", "json")},
                       "runs": results, "medians": medians, "ratios": ratios}, f, indent=1)
            f.write("\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(run(arguments()))
    except e2e.Failure as failure:
        print("bench: %s" % failure, file=sys.stderr)
        sys.exit(1)
    except (KeyboardInterrupt, e2e.Interrupted) as interrupt:
        print("bench: %s" % (interrupt or "interrupted"), file=sys.stderr)
        sys.exit(130)
