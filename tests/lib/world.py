"""world - the Internet of a test: names, mail exchangers, sinks, and the engine among them

    with e2e.Stage("mine") as stage:
        dns = stage.add(world.Dns(stage, zone))             # dnsmasq on its own loopback port
        sinks = stage.add(world.DumpSink(stage, host, port)) # smtp-sink that keeps every message
        ledger = stage.add(world.LedgerSink(stage, [...], path))
        engine = stage.add(world.Engine(stage, {...main.cf...}))

Everybody listens on addresses of one random 127.x.y.0/24, so scripts that run side by side do not meet.

needs    dnsmasq, smtp-sink (tools/setup); the engine is $RINGPOSTD or build/tools/ringpostd
never    asks another name server, or leaves a process behind: each child dies with its parent
"""

import collections
import ctypes
import glob
import hashlib
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys

import e2e
import ledger as ledger_file
import sink as sink_file

LIB = os.path.dirname(os.path.abspath(__file__))
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """In the child before exec. A SIGKILLed test must not leave sinks behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Net:
    """A /24 of loopback addresses and one port for all mail exchangers on it."""

    def __init__(self):
        for _ in range(50):
            self.base = "127.%d.%d" % (random.randint(10, 250), random.randint(1, 250))
            self.port = e2e.free_port(self.address(1))
            if self.port < 32768 or not self._used():
                return
        raise e2e.Failure("no free loopback addresses")

    def address(self, last):
        return "%s.%d" % (self.base, last)

    def _used(self):
        with open("/proc/net/tcp", encoding="ascii") as rows:
            want = "%02X" % int(self.base.split(".")[1]) + "7F:"
            return any(want in row.split()[1][4:9] for row in list(rows)[1:])


# ---------------------------------------------------------------- names

class Zone:
    """Records in the words of dnsmasq's options."""

    def __init__(self):
        self.options = []

    def host(self, name, *addresses):
        self.options += ["--host-record=%s,%s" % (name, a) for a in addresses]
        return name

    def mx(self, domain, *pairs):
        """pairs of (preference, host name)"""
        self.options += ["--mx-host=%s,%s,%d" % (domain, host, pref) for pref, host in pairs]
        return domain

    def null_mx(self, domain):
        """RFC 7505: preference 0, the root as exchanger; given raw, as dnsmasq knows no empty name."""
        self.options.append("--dns-rr=%s,15,000000" % domain)
        return domain

    def cname(self, alias, target):
        self.options.append("--cname=%s,%s" % (alias, target))
        return alias


class Dns:
    """dnsmasq that knows our zone and nothing else; everything below .test that is not there is NXDOMAIN."""

    def __init__(self, stage, zone, pdeath=True, port=None):
        path = next((p for p in ("/usr/sbin/dnsmasq", "/usr/local/sbin/dnsmasq") if os.access(p, os.X_OK)), None)
        if path is None:
            raise e2e.Failure("dnsmasq is missing: run tools/setup")
        self.host, self.port = "127.0.0.1", port or e2e.free_port()
        self.log = stage.path("dnsmasq.log")
        argv = [path, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-poll",
                "--port=%d" % self.port, "--listen-address=127.0.0.1", "--bind-interfaces", "--local=/test/",
                "--pid-file=", "--user=", "--group=", "--cache-size=0", "--local-ttl=60", "--log-facility=" + self.log]
        if os.geteuid() == 0:
            argv[argv.index("--user=")] = "--user=root"
        argv += zone.options
        self.process = e2e.Process("dnsmasq", argv, preexec_fn=die_with_parent if pdeath else None,
                                   stdout=subprocess.DEVNULL, stderr=open(stage.path("dnsmasq.err"), "wb"))
        self.err = stage.path("dnsmasq.err")
        e2e.wait_for("an answer of dnsmasq", self._answers, 10)

    def _answers(self):
        if not self.process.running():
            with open(self.err, errors="replace") as said:
                raise e2e.Failure("dnsmasq ended: " + said.read().strip())
        try:
            return ask(self.host, self.port, "absent.test", 1) is not None
        except OSError:
            return False

    @property
    def endpoint(self):
        return "%s:%d" % (self.host, self.port)

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.stop()


Answer = collections.namedtuple("Answer", "rcode records")     # records: (type, rdata as text)


def ask(host, port, name, kind, limit_s=2.0):
    """One DNS question over UDP: 1 A, 5 CNAME, 15 MX. For looking at our own dnsmasq."""
    ident = random.getrandbits(16)
    question = b"".join(bytes([len(p)]) + p.encode() for p in name.rstrip(".").split(".")) + b"\0"
    query = struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 0) + question + struct.pack(">HH", kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(limit_s)
        s.connect((host, port))
        s.send(query)
        data = s.recv(4096)
    _, flags, _, answers, _, _ = struct.unpack(">HHHHHH", data[:12])
    at = 12 + len(question) + 4
    records = []
    for _ in range(answers):
        _, at = name_at(data, at)
        rtype, _, _, size = struct.unpack(">HHIH", data[at:at + 10])
        at += 10
        if rtype == 1:
            records.append((1, socket.inet_ntoa(data[at:at + 4])))
        elif rtype == 15:
            records.append((15, "%d %s" % (struct.unpack(">H", data[at:at + 2])[0], name_at(data, at + 2)[0])))
        elif rtype == 5:
            records.append((5, name_at(data, at)[0]))
        at += size
    return Answer(flags & 15, records)


def name_at(data, at):
    """(name, offset behind it); follows at most 20 compression pointers."""
    labels, behind = [], None
    for _ in range(20 + 128):
        size = data[at]
        if size >= 0xC0:
            behind = behind or at + 2
            at = (size & 0x3F) << 8 | data[at + 1]
        elif size:
            labels.append(data[at + 1:at + 1 + size].decode("ascii", "replace"))
            at += 1 + size
        else:
            return ".".join(labels), behind or at + 1
    raise ValueError("a name without end")


# ---------------------------------------------------------------- sinks

Dump = collections.namedtuple("Dump", "path rcpts content trace")


class DumpSink:
    """Postfix's smtp-sink with -d: one file per message.

    A dump is: X-Client-Addr, X-Client-Proto, X-Helo-Args, X-Mail-Args and one X-Rcpt-Args per recipient;
    a Received field of exactly three lines; the content with every CR dropped; one LF more. The file
    exists while the message still comes and is removed when the connection breaks before the dot; it is
    complete before the 250 leaves. Because CRs are dropped, a bare LF would pass unseen here:
    LedgerSink looks at those."""

    def __init__(self, stage, host, port, options=(), keep=True, pdeath=True, sessions_max=4096):
        self.host, self.port = host, port
        self.dir = stage.path("sink-%s" % host)
        argv = [e2e.postfix_program("smtp-sink"), "-m", str(sessions_max)]
        if keep:
            os.makedirs(self.dir, exist_ok=True)
            argv += ["-d", os.path.join(self.dir, "m.")]
        if os.geteuid() == 0:
            argv += ["-u", "root"]      # it insists on -u; the folder is ours
        argv += [*options, "inet:%s:%d" % (host, port), "4096"]
        self.errors = open(stage.path("sink-%s.err" % host), "wb")
        self.process = e2e.Process("smtp-sink", argv, stdout=subprocess.DEVNULL, stderr=self.errors,
                                   env=e2e.postfix_environment(),
                                   preexec_fn=die_with_parent if pdeath else None)
        e2e.wait_for("the greeting of smtp-sink", lambda: e2e.greets(host, port), 10)

    @property
    def pid(self):
        return self.process.pid

    def count(self):
        return len(os.listdir(self.dir))

    def dumps(self):
        for path in sorted(glob.glob(os.path.join(glob.escape(self.dir), "m.*"))):
            yield read_dump(path)

    def stop(self):
        self.process.stop()
        self.errors.close()


def read_dump(path):
    with open(path, "rb") as f:
        data = f.read()
    rcpts, at = [], 0
    while not data.startswith(b"Received: from ", at):
        end = data.index(b"\n", at)
        if data.startswith(b"X-Rcpt-Args: ", at):
            rcpts.append(re.search(rb"<([^>]*)>", data[at:end]).group(1).decode("utf-8", "surrogateescape"))
        elif not data.startswith((b"X-Client-", b"X-Helo-Args", b"X-Mail-Args"), at):
            raise e2e.Failure("%s is not a dump of smtp-sink" % path)
        at = end + 1
    for _ in range(3):
        at = data.index(b"\n", at) + 1
    if not data.endswith(b"\n") or at > len(data) - 1:
        raise e2e.Failure("%s has no end" % path)
    content = data[at:-1].replace(b"\n", b"\r\n")
    bare = sink_file.without_trace(content)
    return Dump(path, rcpts, content if bare is None else bare, bare is not None)


def dumps_to_ledger(sink, ledger):
    """Adds what an smtp-sink kept to a ledger; returns the octets."""
    octets = 0
    for dump in sink.dumps():
        sha = hashlib.sha256(dump.content).hexdigest()
        octets += len(dump.content)
        for rcpt in dump.rcpts:
            ident = rcpt.partition("@")[0].rpartition(".")[0]
            ledger.commits.append(ledger_file.Commit(ident, rcpt, sha, dump.path))
    return octets


class LedgerSink:
    """sink.py in a process of its own; where: a list of "address:port"."""

    def __init__(self, stage, where, path, options=(), pdeath=True):
        self.path = path
        self.out = stage.path("ledger-sink-%s.out" % where[0])
        argv = [sys.executable, "-B", os.path.join(LIB, "sink.py"), "--ledger", path, *options]
        for one in where:
            argv += ["--listen", one]
        with open(self.out, "wb") as out:
            self.process = e2e.Process("sink.py", argv, stdout=out, stderr=out,
                                       preexec_fn=die_with_parent if pdeath else None)
        host, _, port = where[-1].rpartition(":")
        e2e.wait_for("the greeting of sink.py", lambda: e2e.greets(host, int(port)), 15)

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        return self.process.stop()

    def figures(self):
        with open(self.out, errors="replace") as said:
            return said.read().strip().rsplit("\n", 1)[-1]
