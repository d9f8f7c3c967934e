"""e2e.py - what every end-to-end script needs: programs, ports, sinks, sources, and a clean end

Scripts put this folder on sys.path and import it:

    sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
    import e2e

    with e2e.Stage("mytest") as stage:          # a private directory and a list of things to stop
        sink = stage.add(e2e.Sink(stage))       # smtp-sink on a free loopback port
        ...

bounds   every wait takes a limit in seconds and raises e2e.Failure when it is over
ends     Stage.__exit__ stops what was added, newest first, by process id: TERM, then KILL after 5 s.
         SIGINT, SIGTERM and SIGHUP become an exception in the main thread, so the same path runs.
never    touches an address outside 127.0.0.0/8, or a process it did not start
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POSTFIX_TREE = os.path.join(ROOT, ".deps", "postfix")
POSTFIX_SBIN = os.path.join(POSTFIX_TREE, "usr", "sbin")
POSTFIX_DAEMONS = os.path.join(POSTFIX_TREE, "usr", "lib", "postfix", "sbin")
POSTFIX_LIBS = os.path.join(POSTFIX_TREE, "usr", "lib", "postfix")

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """Something did not happen as it must; the text is for the reader of the report."""


class Interrupted(BaseException):
    """A signal asked us to stop; BaseException, so that no 'except Exception' swallows it."""


# ---------------------------------------------------------------- programs and environment

def postfix_environment():
    """Postfix's programs find their shared libraries in the unpacked package, not in /usr/lib."""
    env = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TZ", "USER")}
    env.setdefault("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    env["LC_ALL"] = "C"
    env["LD_LIBRARY_PATH"] = POSTFIX_LIBS
    return env


def postfix_program(name):
    """The path of smtp-source, smtp-sink, postfix... or a Failure that says what to do."""
    path = os.path.join(POSTFIX_SBIN, name)
    if not os.access(path, os.X_OK):
        raise Failure("%s is missing in .deps/postfix/usr/sbin: run tools/setup" % name)
    return path


def need_root():
    if os.geteuid() != 0:
        raise Failure("a private Postfix needs root: its master starts daemons as user postfix")


# ---------------------------------------------------------------- waiting and ports

def wait_for(what, question, limit_s, step_s=0.02):
    """Asks until the answer is true; returns that answer."""
    end = time.monotonic() + limit_s
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Failure("%s did not happen within %g s" % (what, limit_s))
        time.sleep(step_s)


def free_port(host="127.0.0.1"):
    """A port nobody listens on now. The kernel hands them out in random order, so a second script
    is unlikely to be given the same one in the moment before it is used."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def greets(host, port):
    """Does an SMTP server answer with 220 there? Ends the session politely."""
    try:
        with socket.create_connection((host, port), timeout=2) as s:
            s.settimeout(5)
            line = s.recv(512)
            s.sendall(b"QUIT\r\n")
            s.recv(512)
            return line.startswith(b"220")
    except OSError:
        return False


# ---------------------------------------------------------------- processes

class Process:
    """A child in its own session, stopped by process id."""

    def __init__(self, name, argv, **kw):
        self.name = name
        try:
            self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                          start_new_session=True, **kw)
        except OSError as e:
            raise Failure("cannot start %s: %s" % (name, e)) from e
        self.pid = self.child.pid

    def running(self):
        return self.child.poll() is None

    def stop(self, limit_s=5.0, expect=None):
        """TERM, then KILL. With expect, any other exit code is a Failure."""
        if self.running():
            self.child.terminate()
        try:
            code = self.child.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.child.kill()
            code = self.child.wait()
            if expect is not None:
                raise Failure("%s did not end within %g s of TERM" % (self.name, limit_s))
        if expect is not None and code != expect:
            raise Failure("%s ended with %s instead of %d" % (self.name, code, expect))
        return code


def _stat_fields(pid):
    """The fields of /proc/PID/stat after the name, so index 0 is the state (field 3 of proc(5))."""
    with open("/proc/%d/stat" % pid, "rb") as f:
        return f.read().rpartition(b")")[2].split()


def is_gone(pid):
    """Ended; a process whose parent has not yet looked (state Z) has ended too."""
    try:
        return _stat_fields(pid)[0] == b"Z"
    except OSError:
        return True


def cpu_seconds(pid):
    """User and system time of a process and all its threads."""
    f = _stat_fields(pid)
    return (int(f[11]) + int(f[12])) / CLOCK_TICKS


def cpu_seconds_family(pid):
    """The same for a process, the children it has reaped, and those still alive (two levels are
    enough for master(8): its daemons have no children of their own)."""
    total = 0.0
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            f = _stat_fields(int(entry))
        except OSError:
            continue            # it ended while we were looking; its parent now counts it
        if int(entry) == pid or int(f[1]) == pid:
            total += sum(int(x) for x in f[11:15]) / CLOCK_TICKS
    return total


# ---------------------------------------------------------------- the stage

class Stage:
    """A private directory plus what has to be stopped at the end, in reverse order."""

    def __init__(self, name, base=None, keep=False):
        self.name = name
        self.base = base
        self.keep = keep
        self.things = []
        self.dir = None

    def __enter__(self):
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, self._interrupted)
        self.dir = tempfile.mkdtemp(prefix="ringpost-%s." % self.name, dir=self.base)
        os.chmod(self.dir, 0o755)       # user postfix has to pass through to its queue
        return self

    @staticmethod
    def _interrupted(signum, _frame):
        raise Interrupted("ended by %s" % signal.Signals(signum).name)

    def add(self, thing):
        self.things.append(thing)
        return thing

    def end(self, thing):
        """Stops one thing now instead of at the end."""
        self.things.remove(thing)
        thing.stop()

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def __exit__(self, kind, value, trace):
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, signal.SIG_IGN)      # an impatient second Ctrl-C must not leave orphans
        for thing in reversed(self.things):
            try:
                thing.stop()
            except Exception as e:      # the others still have to be stopped
                print("%s: %s" % (self.name, e), file=sys.stderr)
        if self.keep:
            print("%s: kept %s" % (self.name, self.dir), file=sys.stderr)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, signal.SIG_DFL)
        return False


# ---------------------------------------------------------------- smtp-sink

class Sink:
    """smtp-sink that counts. Its running counter (-c) goes into a memory file of ours: one write of
    some 30 bytes per message, no disk, no reader to be woken, and we look whenever we like."""

    RECORD = re.compile(rb"mesg=(\d+)")

    def __init__(self, stage, host="127.0.0.1", options=(), backlog=1024, sessions_max=4096):
        self.host = host
        self.port = free_port(host)
        self.memory = os.memfd_create("smtp-sink-counter")
        argv = self._argv(options, backlog, sessions_max)
        self.errors = open(stage.path("smtp-sink.%d.err" % self.port), "wb")
        self.process = Process("smtp-sink", argv, stdout=self.memory, stderr=self.errors,
                               cwd=stage.dir, env=postfix_environment())
        self.base = 0
        try:
            wait_for("the greeting of smtp-sink", self._greets, 10)
        except Failure:
            self.stop()
            raise

    def _argv(self, options, backlog, sessions_max):
        argv = [postfix_program("smtp-sink"), "-c", "-m", str(sessions_max)]
        if os.geteuid() == 0:
            argv += ["-u", "postfix"]
        return argv + list(options) + ["inet:%s:%d" % (self.host, self.port), str(backlog)]

    def _greets(self):
        if not self.process.running():
            raise Failure("smtp-sink ended at once, see %s" % self.errors.name)
        return greets(self.host, self.port)

    @property
    def pid(self):
        return self.process.pid

    def total(self):
        """Messages since the sink was started."""
        size = os.fstat(self.memory).st_size
        tail = os.pread(self.memory, 256, max(0, size - 256))
        found = self.RECORD.findall(tail)
        return int(found[-1]) if found else 0

    def mark(self):
        """From here on count() starts at zero."""
        self.base = self.total()

    def count(self):
        return self.total() - self.base

    def wait_count(self, count, limit_s, feeder_running=lambda: True):
        """Returns the monotonic time at which the count was seen, at most 2 ms late. Gives up early
        when the sink, or whoever feeds it, has ended."""
        end = time.monotonic() + limit_s
        while self.count() < count:
            alive = feeder_running()
            if not self.process.running() or (not alive and self.count() < count):
                raise Failure("%s ended, smtp-sink has %d of %d messages"
                              % ("the feeder" if not alive else "smtp-sink", self.count(), count))
            now = time.monotonic()
            if now > end:
                raise Failure("smtp-sink has %d of %d messages after %g s"
                              % (self.count(), count, limit_s))
            time.sleep(0.002)
        return time.monotonic()

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def stop(self):
        self.process.stop()
        self.errors.close()
        if self.memory >= 0:
            os.close(self.memory)
            self.memory = -1


# ---------------------------------------------------------------- smtp-source

class Source:
    """One run of smtp-source. A refused or broken session makes it exit non-zero, so exit 0 means
    that every message got its 250."""

    def __init__(self, stage, host, port, count, size=4096, sessions=50, kept=False,
                 sender="load@bench.test", rcpt="rcpt@sink.test", options=()):
        argv = [postfix_program("smtp-source"), "-4", "-C", "20", "-s", str(sessions),
                "-l", str(size), "-m", str(count), "-f", sender, "-t", rcpt,
                "-M", "source.bench.test"]
        if kept:
            argv.append("-d")
        argv += list(options) + ["inet:%s:%d" % (host, port)]
        self.count = count
        self.error_path = stage.path("smtp-source.err")
        with open(self.error_path, "wb") as err:
            self.started = time.monotonic()
            self.process = Process("smtp-source", argv, stdout=err, stderr=err,
                                   env=postfix_environment())
        self.seconds = None
        self.cpu = None

    def wait(self, limit_s):
        """Returns seconds from start to the last 250 (and QUIT); wait4 gives us its CPU time."""
        end = self.started + limit_s
        while True:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                raise Failure("smtp-source did not finish %d messages in %g s"
                              % (self.count, limit_s))
            time.sleep(0.002)
        self.seconds = time.monotonic() - self.started
        self.cpu = usage.ru_utime + usage.ru_stime
        self.process.child.returncode = os.waitstatus_to_exitcode(status)
        if status != 0:
            with open(self.error_path, errors="replace") as f:
                said = f.read().strip().splitlines()[-1:]
            raise Failure("smtp-source: exit %d: %s"
                          % (self.process.child.returncode, said[0] if said else "no message"))
        return self.seconds

    def stop(self):
        self.process.stop()
