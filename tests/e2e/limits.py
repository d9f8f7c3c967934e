"""limits - what a tight system does to the engine: it works, or it says at the start why it cannot

limits  open files, locked memory, address space, file size, at several sizes each: the engine ends at once with a line
        that says why, or takes mail and delivers it; never does it fail later (rows OSR-03, OSR-04). After the start it
        allocates nothing, so a limit of the address space is malloc failing at each k; to be killed for want of memory
        is a KILL, and that is kill.sh's.
storm   10,000 foreign signals a second, and to be stopped for seconds: nothing is lost or repeated, TERM still drains (row
        OSR-06)
fds     no descriptor of a living engine goes to a child (row OSR-07): there are none, and each is close-on-exec
conf    a main.cf, a table that is wrong, half written or gone: HUP leaves the old content in place (row OSR-11)
"""

import os
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import e2e  # noqa: E402
import engine  # noqa: E402
import ledger  # noqa: E402
import tap  # noqa: E402
from signals import Scene  # noqa: E402

MIB = 1 << 20
LIMITS = [("nofile", 64), ("nofile", 256), ("nofile", 300), ("nofile", 1024),
          ("memlock", 0), ("memlock", 64 << 10), ("memlock", 8 * MIB),
          ("fsize", 1 * MIB), ("fsize", 64 * MIB)]
SPACES = [8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024]


def said_why(rc, said):
    """An exit status of sysexits.h and words, no signal and no assertion."""
    return rc is not None and 0 < rc < 128 and said.strip() != "" and "core/" not in said


def small_engine(stage, name, **parameters):
    return stage.add(engine.Engine(stage, {
        "journal_segment_size": "4194304", "journal_memory": "8388608", "session_limit": "20",
        "inject_connection_limit": "20", "queue_message_limit": "500", "worker_threads": "1", **parameters}, name))


def lives_or_says_why(t, one, what, before):
    """True: it lives."""
    try:
        one.start(before=before)
        return True
    except e2e.Failure:
        rc = one.process.child.wait(10)
    with open(one.errors_path, encoding="utf-8", errors="replace") as f:
        said = f.read()
    t.ok(said_why(rc, said), "%s: it says why it cannot start" % what, "exit %s\n%s" % (rc, said))
    t.note("%s: %s" % (what, said.strip().splitlines()[-1:]))
    return False


def works(t, scene, what, before):
    """One mail through an engine under this limit, unless it says at the start that it cannot."""
    one = scene.engine
    if not lives_or_says_why(t, one, what, before):
        return
    scene.inject(200)
    try:
        scene.wait_accepted(20)
        t.ok(True, "%s: it takes mail" % what)
    except e2e.Failure:
        # What takes nothing has to say so, and to go on.
        t.ok(one.running() and what.startswith("fsize"), "%s: it takes mail" % what, one.tail())
    scene.stop_injector()
    one.drain(40)
    t.ok(one.stop() == 0, "%s: TERM ends it with 0" % what, one.tail())
    v = scene.verdict()
    t.ok(v.good() and v.duplicates == 0, "%s: nothing lost, altered or repeated" % what, v.line())


def limits(stage, t):
    for number, (kind, value) in enumerate(LIMITS):
        scene = Scene(stage, "limit%d" % number, 0)
        scene.engine.parameters.update({"worker_threads": "1", "session_limit": "20", "inject_connection_limit": "20",
                                        "journal_segment_size": "4194304", "journal_memory": "8388608"})
        scene.engine.write_conf()
        # Root may go beyond its limit of locked memory; CAP_IPC_LOCK and CAP_SYS_RESOURCE are what lets it.
        before = ["prlimit", "--%s=%d" % (kind, value), "setpriv", "--bounding-set", "-ipc_lock,-sys_resource",
                  "--inh-caps", "-ipc_lock,-sys_resource"]
        works(t, scene, "%s %d" % (kind, value), before)


def address_space(stage, t):
    if engine.sanitized():
        t.note("a sanitizer wants all of the address space for itself: not tried")
        return
    lived = 0
    for mib in SPACES:
        one = small_engine(stage, "space%d" % mib)
        if lives_or_says_why(t, one, "an address space of %d MiB" % mib, ["prlimit", "--as=%d" % (mib * MIB)]):
            lived += 1
            t.ok(one.stop() == 0, "an address space of %d MiB: it lives, and TERM ends it with 0" % mib, one.tail())
    t.ok(lived > 0, "there is an address space that is large enough")


def pester(pid, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD, signal.SIGPIPE, signal.SIGUSR1):
            os.kill(pid, number)
        time.sleep(0.0004)


def storm(stage, t):
    scene = Scene(stage, "storm", 0)
    scene.engine.start()
    scene.inject(500)
    scene.wait_accepted(50)
    threads = [threading.Thread(target=pester, args=(scene.engine.pid, 3)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        time.sleep(0.5)
        scene.engine.signal(signal.SIGSTOP)
        time.sleep(0.7)
        scene.engine.signal(signal.SIGCONT)
    for thread in threads:
        thread.join()
    t.ok(scene.engine.running(), "storm: the engine goes on", scene.engine.tail())
    scene.wait_accepted(300)
    scene.stop_injector()
    scene.engine.drain(40)
    began = time.monotonic()
    t.ok(scene.engine.stop() == 0, "storm: TERM ends it with 0")
    t.ok(time.monotonic() - began < 10, "storm: soon")
    v = scene.verdict()
    t.ok(v.good() and v.messages > 0 and v.duplicates == 0, "storm: nothing lost, altered or repeated", v.line())


def descriptors(stage, t):
    scene = Scene(stage, "descriptors", 300)
    scene.engine.start()
    scene.inject(300)
    scene.wait_accepted(100)
    pid, leaks = scene.engine.pid, []
    for fd in os.listdir("/proc/%d/fdinfo" % pid):
        try:
            with open("/proc/%d/fdinfo/%s" % (pid, fd), encoding="ascii") as f:
                flags = next(int(line.split()[1], 8) for line in f if line.startswith("flags:"))
            if int(fd) > 2 and not flags & os.O_CLOEXEC:
                leaks.append("%s -> %s" % (fd, os.readlink("/proc/%d/fd/%s" % (pid, fd))))
        except FileNotFoundError:
            continue            # closed this moment
    t.ok(not leaks, "fds: each but 0, 1 and 2 is close-on-exec", " ".join(leaks))
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as f:
        t.ok(f.read().strip() == "", "fds: the engine has no children")
    scene.stop_injector()
    t.ok(scene.engine.stop() == 0, "fds: TERM ends it with 0")


def bad_reload(stage, t):
    scene = Scene(stage, "reload", 0)
    one = scene.engine
    table = os.path.join(one.dir, "peers")

    def write(text):
        with open(table, "w", encoding="ascii") as f:
            f.write(text)

    def complaints():
        with open(one.log, encoding="utf-8") as f:
            return f.read().count("table: the old content stays")

    write("192.0.2.1 x\n")
    one.parameters["debug_peer_list"] = "texthash:" + table
    one.write_conf()
    good = open(os.path.join(one.dir, "main.cf"), encoding="utf-8").read()
    one.start()
    wanted = 0
    for what, text in (("wrong", "192.0.2.1\n"), ("half written", "192.0.2.1 x\n192.0")):
        write(text)
        one.signal(signal.SIGHUP)
        wanted += 1
        e2e.wait_for("the complaint", lambda count=wanted: complaints() == count, 5)
        t.ok(True, "conf: a table that is %s: the old content stays" % what)
    os.unlink(table)
    one.signal(signal.SIGHUP)
    time.sleep(0.5)
    one.write_conf("worker_threads = many\n= nonsense\n")
    one.signal(signal.SIGHUP)
    time.sleep(0.5)
    scene.inject(200)
    scene.wait_accepted(20)
    t.ok(True, "conf: with a table that is gone and a main.cf of nonsense it goes on as it was")
    scene.stop_injector()
    one.drain(20)
    t.ok(one.stop() == 0, "conf: TERM ends it with 0")
    v = scene.verdict()
    t.ok(v.good() and v.messages > 0 and v.duplicates == 0, "conf: nothing lost, altered or repeated", v.line())
    one.write_conf(good)


def main():
    t = tap.Tap("limits")
    with e2e.Stage("limits") as stage:
        for case in (limits, address_space, storm, descriptors, bad_reload):
            t.case(case.__name__.replace("_", " ") + " ran to its end", case, stage, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
