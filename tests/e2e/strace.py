"""strace - one steady second under load: the engine threads call io_uring_enter and nothing else

Attaches one `strace -c` to every thread of a loaded ringpostd, so that each thread's calls are told
apart. The log writer may write and wait; the main thread is off the hot path and is only shown. First on
sessions that are kept, then with a new connection for every message on both sides: accepting, connecting
and closing go through the ring as well. Before Linux 6.11 a ring can neither set options on a socket nor bind it
(IORING_OP_BIND came with that release): connecting then takes the calls of PLAIN_CONNECT, one of each.
"""

import os
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import engine  # noqa: E402
import tap  # noqa: E402
import world  # noqa: E402

WARM_UP_S, TRACE_S = 3.0, 1.0
# What the writer thread does: write lines, and wait for more: it polls its wake-up descriptor and reads it empty.
LOG_WRITER = {"write", "writev", "poll", "ppoll", "read", "restart_syscall"}
PLAIN_CONNECT = {"socket", "setsockopt", "io_uring_register", "close"}
KERNEL_WORKER = "iou-wrk-"          # threads of the kernel's; strace sees no call of theirs
SANITIZER = {"madvise", "mmap", "munmap", "futex", "sched_yield"}
ROW = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$")


def ring_binds():
    """Can this kernel open a connection in the ring?"""
    major, minor = (int(n) for n in re.match(r"(\d+)\.(\d+)", os.uname().release).groups())
    return (major, minor) >= (6, 11)


def trace(threads, stage):
    """thread id -> {call: count}, all over the same second."""
    tracers = {}
    for tid in threads:
        out = stage.path("strace.%d" % tid)
        tracers[tid] = (out, subprocess.Popen(["strace", "-c", "-o", out, "-p", str(tid)],
                                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                              stderr=open(out + ".err", "wb")))
    try:
        time.sleep(TRACE_S)
    finally:
        for _, tracer in tracers.values():
            tracer.send_signal(signal.SIGINT)
        for _, tracer in tracers.values():
            tracer.wait(10)
    found = {}
    for tid, (out, _) in tracers.items():
        with open(out, encoding="ascii") as rows:
            matches = [ROW.match(row.rstrip()) for row in rows]
        found[tid] = {m.group(2): int(m.group(1)) for m in matches if m and m.group(2) != "total"}
    return found


def load(stage, t, domains, one, per_connection, label):
    """One engine under load for a while: judges its threads' calls."""
    one.start()
    with open(stage.path("inject.out"), "wb") as out:
        injector = stage.add(e2e.Process("inject.py", [
            sys.executable, "-B", os.path.join(ROOT, "tests", "lib", "inject.py"), "--port", str(one.port),
            "--ledger", stage.path("inject.ledger"), "--domains", ",".join(domains), "--small", "--threads", "8",
            "--bdat", "0", "--per-connection", str(per_connection)], stdout=out, stderr=subprocess.STDOUT,
            preexec_fn=world.die_with_parent))
    time.sleep(WARM_UP_S)
    threads = {tid: name for tid, name in one.threads().items() if not name.startswith(KERNEL_WORKER)}
    before = one.metrics().get("ringpost_sent_total", 0)
    found = trace(threads, stage)
    time.sleep(1.5)
    sent = one.metrics().get("ringpost_sent_total", 0) - before
    injector.stop(30)
    t.ok(sent > 100, "%s: mail was delivered meanwhile" % label, "%d" % sent)
    judge(t, threads, found, label)
    one.drain(60)
    t.ok(one.stop() == 0, "%s: TERM ended it with 0" % label)


def judge(t, threads, found, label):
    cores = {tid for tid, name in threads.items() if name.startswith("rp-core")}
    t.ok(len(cores) == 2, "%s: there are two engine threads" % label, " ".join(threads.values()))
    connecting = set() if ring_binds() else PLAIN_CONNECT
    allowed = {"io_uring_enter"} | connecting | (SANITIZER if engine.sanitized() else set())
    writer = LOG_WRITER | (SANITIZER if engine.sanitized() else set())
    for tid in sorted(threads, key=threads.get):
        name = threads[tid]
        calls = " ".join("%s=%d" % pair for pair in sorted(found[tid].items(), key=lambda p: -p[1]))
        print("# %-6s %-10s %s" % (label, name, calls or "(nothing)"), flush=True)
        if tid in cores:
            t.ok(found[tid].get("io_uring_enter", 0) > 0, "%s: %s worked" % (label, name), calls)
            t.ok(set(found[tid]) <= allowed, "%s: %s called %s only" % (
                label, name, " ".join(sorted({"io_uring_enter"} | connecting))), calls)
            if connecting:
                counts = [found[tid].get(call, 0) for call in connecting]
                t.ok(max(counts) - min(counts) <= 1, "%s: %s made one of each call a connection" % (label, name), calls)
        elif name == "rp-log":
            t.ok("write" in found[tid] or "writev" in found[tid], "%s: the log writer wrote" % label, calls)
            t.ok(set(found[tid]) <= writer, "%s: the log writer only wrote and waited" % label, calls)


def run(stage, t):
    net = world.Net()
    zone = world.Zone()
    domains = [zone.mx("d%d.test" % i, (10, zone.host("mx%d.test" % i, net.address(i % 2 + 1)))) for i in range(8)]
    dns = stage.add(world.Dns(stage, zone))
    for last in (1, 2):
        stage.add(world.DumpSink(stage, net.address(last), net.port, keep=False))
    common = {"dns_servers": dns.endpoint, "smtp_tcp_port": str(net.port)}
    load(stage, t, domains, stage.add(engine.Engine(stage, common, "kept")), 1000000, "kept")
    # One further use is the least that can be asked for; half of the connections are then new ones.
    fresh = engine.Engine(stage, {**common, "smtp_connection_reuse_count_limit": "1"}, "fresh")
    load(stage, t, domains, stage.add(fresh), 1, "fresh")


def main():
    t = tap.Tap("strace")
    with e2e.Stage("strace") as stage:
        t.case("the run came to its end", run, stage, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
