"""engine - ringpostd under test: its main.cf, its lives, its own figures

    engine = stage.add(engine.Engine(stage, {"dns_servers": dns.endpoint, ...}))
    engine.start(); engine.kill(); engine.start(); engine.drain(60); engine.stop()

The program is $RINGPOSTD (a command line; the canary puts its stand-in there), or tools/ringpostd in
$RINGPOST_BUILD (tools/test sets it), or in build/.

bounds   ready within 15 s of start, ended within 30 s of TERM, else e2e.Failure with the log's end
never    counts a metric of an earlier life: the file is removed before each start
"""

import collections
import os
import shlex
import signal
import subprocess
import time

import e2e
import world


def program():
    """The engine as an argument list, or a Failure that says what to do."""
    given = os.environ.get("RINGPOSTD")
    if given:
        return shlex.split(given)
    build = os.environ.get("RINGPOST_BUILD") or os.path.join(e2e.ROOT, "build")
    path = os.path.join(build, "tools", "ringpostd")
    if not os.access(path, os.X_OK):
        raise e2e.Failure("%s is missing: meson setup build && ninja -C build" % os.path.relpath(path, e2e.ROOT))
    return [path]


def sanitized():
    """Is it a build with AddressSanitizer? Its memory and its system calls are then not the engine's own."""
    with open(program()[0], "rb") as image:
        return b"__asan_init" in image.read()


class Engine:
    """One configuration and its spool; any number of lives."""

    def __init__(self, stage, parameters=None, name="engine", pdeath=True):
        self.dir = stage.path(name)
        os.makedirs(self.dir)
        os.chmod(self.dir, 0o755)
        self.host, self.port = "127.0.0.1", e2e.free_port()
        self.spool = os.path.join(self.dir, "spool")
        self.log = os.path.join(self.dir, "maillog")
        self.metrics_path = os.path.join(self.dir, "metrics")
        self.errors_path = os.path.join(self.dir, "stderr")
        self.process = None
        self.pdeath = pdeath
        self.lives = 0
        self.parameters = {
            "spool_directory": self.spool,
            "inject_smtp_listen": "%s:%d" % (self.host, self.port),
            "mynetworks": "127.0.0.0/8",
            "smtp_deny_networks": "",     # the sinks are on loopback addresses
            "myhostname": "engine.test",
            "worker_threads": "2",
            "maillog_file": self.log,
            "metrics_file": self.metrics_path,
        }
        self.parameters.update(parameters or {})
        os.makedirs(self.parameters["spool_directory"], mode=0o700, exist_ok=True)
        self.write_conf()

    def write_conf(self, text=None):
        with open(os.path.join(self.dir, "main.cf"), "w", encoding="utf-8") as conf:
            conf.write(text if text is not None else
                       "".join("%s = %s\n" % pair for pair in self.parameters.items() if pair[1] is not None))

    # -------- lives

    def command(self, *options):
        return [*program(), "-c", self.dir, *options]

    def start(self, options=(), wait=True, before=(), limit_s=15.0):
        """before: a launcher put in front of the engine (unshare, nsenter, a seccomp filter)."""
        assert self.process is None or not self.process.running()
        try:
            os.unlink(self.metrics_path)
        except FileNotFoundError:
            pass
        with open(self.errors_path, "ab") as errors:
            self.process = e2e.Process("ringpostd", [*before, *self.command(*options)], stdout=errors,
                                       stderr=errors, preexec_fn=world.die_with_parent if self.pdeath else None)
        self.lives += 1
        if wait:
            self.wait_ready(limit_s)

    def wait_ready(self, limit_s=15.0):
        try:
            e2e.wait_for("the engine's greeting", self._ready, limit_s, 0.003)
        except e2e.Failure as e:
            raise e2e.Failure("%s\n%s" % (e, self.tail())) from e

    def _ready(self):
        if not self.process.running():
            raise e2e.Failure("ringpostd ended with %s" % self.process.child.returncode)
        return e2e.greets(self.host, self.port)

    def run(self, options=(), before=(), limit_s=15.0):
        """A life that is meant to be short: (exit code, everything it said)."""
        done = subprocess.run([*before, *self.command(*options)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=limit_s, check=False)
        return done.returncode, done.stdout.decode(errors="replace")

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.running()

    def kill(self):
        """SIGKILL; returns when the kernel has let go of its sockets and locks."""
        if self.process is not None:
            self.process.child.kill()
            self.process.child.wait()

    def stop(self, expect=None):
        if self.process is None:
            return None
        was = self.process.running()
        code = self.process.stop(30.0, expect if was else None)
        return code

    def signal(self, number=signal.SIGTERM):
        os.kill(self.process.pid, number)

    # -------- figures

    def metrics(self):
        """name -> value of this life, summed over labels; empty before the first second."""
        out = collections.Counter()
        try:
            with open(self.metrics_path, encoding="utf-8") as lines:
                for line in lines:
                    name, _, value = line.strip().rpartition(" ")
                    if name and not name.startswith("#"):
                        out[name.partition("{")[0]] += float(value)
        except (FileNotFoundError, ValueError):     # being rewritten this moment
            pass
        return out

    def queued(self):
        """Recipients or messages still in the engine's hands; None when it has not said yet."""
        value = self.metrics().get("ringpost_queued")
        return None if value is None else int(value)

    def drain(self, limit_s, tick=None):
        """Waits for the engine to report an empty queue twice, a rewrite apart. tick(queued) is called
        about ten times a second."""
        end = time.monotonic() + limit_s
        seen = None
        while True:
            if not self.running():
                raise e2e.Failure("ringpostd ended with %s while draining\n%s" % (
                    self.process.child.returncode, self.tail()))
            queued = self.queued()
            if tick:
                tick(queued)
            if queued == 0:
                stamp = os.stat(self.metrics_path).st_mtime_ns if os.path.exists(self.metrics_path) else 0
                if seen is not None and stamp != seen:
                    return
                seen = stamp if seen is None else seen
            else:
                seen = None
            if time.monotonic() > end:
                raise e2e.Failure("%s still queued after %g s\n%s" % (queued, limit_s, self.tail()))
            time.sleep(0.1)

    def tail(self, lines=12):
        out = []
        for path in (self.errors_path, self.log):
            try:
                with open(path, errors="replace") as f:
                    out += ["  " + line.rstrip() for line in f.readlines()[-lines:]]
            except OSError:
                pass
        return "\n".join(out)

    def threads(self):
        """thread id -> name"""
        out = {}
        for tid in os.listdir("/proc/%d/task" % self.pid):
            with open("/proc/%d/task/%s/comm" % (self.pid, tid), encoding="ascii") as f:
                out[int(tid)] = f.read().strip()
        return out

    def rss_kib(self):
        with open("/proc/%d/status" % self.pid, encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))
