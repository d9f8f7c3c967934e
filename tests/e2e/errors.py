"""errors - bad input and bad surroundings: each is refused in words, and before anything is accepted

Start:  config errors all at once (78), port in use, missing directory, wrong owner, writable by all,
        read-only spool, a second instance, io_uring missing, blocked by seccomp, switched off by sysctl
Run:    a full disk: 452 to injectors, what was accepted is delivered meanwhile, and injection works
        again without a restart once space returns (rows OSR-01, OSR-05, OSR-10, OSR-12, LIS-05)
        a spool of somebody else's, with a NUL in a message: 5.6.0, and no end of it on the wire (row SMG-06)
"""

import glob
import os
import smtplib
import socket
import struct
import sys
import subprocess
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIB = os.path.join(ROOT, "tests", "lib")
sys.path.insert(0, LIB)
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import e2e  # noqa: E402
import engine  # noqa: E402
import inject  # noqa: E402
import ledger  # noqa: E402
import mails  # noqa: E402
import tap  # noqa: E402
import world  # noqa: E402
from signals import Gulp  # noqa: E402

EX_CONFIG = 78
SYSCTL = "/proc/sys/kernel/io_uring_disabled"
DISK_SIZE = 96 << 20


def own_mounts():
    """A mount namespace of one's own. In a chroot whose root is no mount point the kernel refuses to make it private; there
    the mounts are as private as those around the chroot."""
    command = ["unshare", "-m", "--propagation"]
    private = subprocess.run([*command, "private", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
    return [*command, "private" if private else "unchanged"]


def new_engine(stage, name, **parameters):
    # Small journal files, so that a small disk is full soon.
    return engine.Engine(stage, {"journal_segment_size": "4194304", "journal_memory": "8388608",
                                 "minimal_backoff_time": "1s", "maximal_backoff_time": "2s", **parameters}, name=name)


def nobody_listens(one):
    with socket.socket() as s:
        return s.connect_ex((one.host, one.port)) != 0


def refuses(t, one, what, words, options=(), before=(), code=None):
    """The engine ends at once, says each of the words, and never listened."""
    rc, said = one.run(options, before)
    t.ok(rc not in (0, None) and rc > 0, "%s: it ends with an error" % what, "exit %s\n%s" % (rc, said))
    if code is not None:
        t.ok(rc == code, "%s: the exit status is %d" % (what, code), "it was %s\n%s" % (rc, said))
    for word in words:
        t.ok(word.lower() in said.lower(), "%s: it says '%s'" % (what, word), said)
    lines = [line for line in said.splitlines() if line.strip()]
    t.ok(nobody_listens(one), "%s: nothing listens" % what)
    return rc, lines


# ---------------------------------------------------------------- start

def libraries(_stage, t):
    """Row SUP-01: what is linked, what is known against it, and the proofs."""
    for option in ("--version", "--selftest"):
        done = subprocess.run([*engine.program(), option], capture_output=True, text=True, check=False)
        t.ok(done.returncode == 0 and not done.stderr, "%s: it ends well" % option, done.stderr)
        for name in ("Linux", "liburing", "wolfSSL", "c-ares", "Cyrus SASL", "PCRE2"):
            t.ok("\n" + name in done.stdout, "%s: it lists %s" % (option, name), done.stdout)
        t.ok("exposed" not in done.stdout, "%s: nothing is exposed" % option, done.stdout)
    t.ok(done.stdout.count("ok: ") == 3, "--selftest: three proofs", done.stdout)



def config_errors(stage, t):
    one = new_engine(stage, "config")
    path = os.path.join(one.dir, "main.cf")
    good = open(path, encoding="utf-8").read()
    bad = ["worker_threads = many", "minimal_backoff_time = soon", "inject_smtp_listen = nowhere:99999",
           "message_size_limit = -5", "mynetworks = 127.0.0.0/99"]
    keep = [line for line in good.splitlines() if line.split(" ")[0] not in {b.split(" ")[0] for b in bad}]
    one.write_conf("\n".join(["# five errors follow", *bad, *keep]) + "\n")
    for options in ([], ["--check"]):
        what = "five config errors" + (" with --check" if options else "")
        rc, said = one.run(options)
        t.ok(rc == EX_CONFIG, "%s: the exit status is 78" % what, "it was %s\n%s" % (rc, said))
        for number, line in enumerate(bad, 2):
            name = line.split(" ")[0]
            hit = [s for s in said.splitlines() if "main.cf:%d: %s" % (number, name) in s]
            t.ok(len(hit) == 1, "%s: one line names the file, line %d and %s" % (what, number, name), said)
            t.ok(hit and "expected " in hit[0], "%s: it says what %s accepts" % (what, name), said)
    one.write_conf(good)
    rc, said = one.run(["--check"])
    t.ok(rc == 0, "a good file passes --check", "exit %s\n%s" % (rc, said))
    rc, said = one.run(["-o", "worker_threads=zero"])
    t.ok(rc == EX_CONFIG and "worker_threads" in said, "a bad -o value is named, exit 78", "exit %s\n%s" % (rc, said))
    rc, said = one.run(["--check", "-c", os.path.relpath(one.dir), "-o", "metrics_file=$config_directory/metrics"])
    t.ok(rc == 0, "-c with a relative directory: $config_directory is an absolute path", "exit %s\n%s" % (rc, said))
    rc, said = one.run(["-c", "no/such/directory"])
    t.ok(rc == EX_CONFIG and "no/such/directory/main.cf" in said, "-c with a missing directory: it is named, exit 78",
         "exit %s\n%s" % (rc, said))
    os.unlink(path)
    rc, said = one.run()
    t.ok(rc == EX_CONFIG and "main.cf" in said, "a missing main.cf is named, exit 78", "exit %s\n%s" % (rc, said))


def outputs(stage, t):
    """What it writes beside the spool is tried at the start, too."""
    one = new_engine(stage, "outputs", maillog_file=None, metrics_file=None)
    nowhere = os.path.join(one.dir, "nowhere", "file")
    refuses(t, one, "metrics_file in a directory that is missing", ["metrics_file " + nowhere],
            ["-o", "metrics_file=" + nowhere, "-o", "maillog_file=/dev/stderr"], code=73)
    refuses(t, one, "maillog_file in a directory that is missing", ["maillog_file " + nowhere],
            ["-o", "maillog_file=" + nowhere], code=73)
    # /dev without a log socket, as in a container.
    before = [*own_mounts(), "sh", "-c",
              'mount -t tmpfs none /run && { [ ! -S /dev/log ] || mount --bind /dev/null /dev/log; } && exec "$@"', "sh"]
    refuses(t, one, "no system log", ["maillog_file", "/dev/log", "/dev/stdout"], (), before, code=73)
    rc, said = one.run(["--check", "-c", os.path.join(one.dir, "main.cf")])
    t.ok(rc == EX_CONFIG and "the directory that main.cf is in" in said, "-c with a file: it says what -c wants",
         "exit %s\n%s" % (rc, said))


def port_in_use(stage, t):
    one = new_engine(stage, "port")
    with socket.socket() as other:
        other.bind((one.host, one.port))
        other.listen(1)
        rc, said = one.run()
    t.ok(rc > 0, "port in use: it ends with an error", "exit %s\n%s" % (rc, said))
    t.ok(str(one.port) in said and "in use" in said.lower(), "port in use: it names the port", said)


def directories(stage, t):
    one = new_engine(stage, "directories")
    missing = one.spool + ".missing"
    refuses(t, one, "missing spool", [missing], ["-o", "spool_directory=" + missing])
    with open(missing, "w", encoding="ascii") as plain:
        plain.write("a file\n")
    refuses(t, one, "spool is a file", [missing], ["-o", "spool_directory=" + missing])
    if os.geteuid() == 0:
        os.chown(one.spool, 12345, 12345)
        refuses(t, one, "wrong owner", [one.spool, "own"])
        os.chown(one.spool, 0, 0)
    os.chmod(one.spool, 0o777)
    refuses(t, one, "spool writable by all", [one.spool, "writ"])
    os.chmod(one.spool, 0o700)
    other = os.path.join(one.spool, "VERSION")
    with open(other, "w", encoding="ascii") as version:
        version.write("ringpost-spool 99\n")
    refuses(t, one, "a spool of another release", [one.spool, "another release", "not touched"], code=73)
    t.ok(sorted(os.listdir(one.spool)) == ["VERSION", "lock"], "a spool of another release: nothing was added to it",
         " ".join(os.listdir(one.spool)))
    os.unlink(other)
    one.start()
    t.ok(one.stop() == 0, "the same spool is accepted once it is right again")


def read_only(stage, t):
    one = new_engine(stage, "readonly")
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    before = [*own_mounts(), "sh", "-c", script, one.spool]
    refuses(t, one, "read-only spool", [one.spool, "read-only"], (), before)


def second_instance(stage, t):
    one = new_engine(stage, "first")
    two = new_engine(stage, "second", spool_directory=one.spool)
    one.start()
    refuses(t, two, "second instance", [one.spool, "instance"], code=75)
    t.ok(e2e.greets(one.host, one.port), "the first instance still serves")
    t.ok(one.stop() == 0, "the first instance ends with 0")
    two.start()
    t.ok(two.stop() == 0, "afterwards the second one may have the spool")


def io_uring(stage, t):
    one = new_engine(stage, "uring")
    codes = {}
    for word, hint in (("EPERM", "seccomp"), ("ENOSYS", "kernel")):
        before = [sys.executable, "-B", os.path.join(LIB, "no_uring.py"), word]
        codes[word], lines = refuses(t, one, "io_uring refused with " + word, ["io_uring", hint], (), before)
        t.ok(len(lines) == 1, "io_uring refused with %s: it is one line" % word, "\n".join(lines))
    sysctl_off(t, one, codes)
    t.ok(EX_CONFIG not in codes.values() and 1 not in codes.values(),
         "exit status of these is theirs alone", str(codes))


def sysctl_off(t, one, codes):
    """Level 1 refuses only who lacks CAP_SYS_ADMIN, so that other programs on this machine hardly notice;
    the engine is started without that capability."""
    if not os.path.exists(SYSCTL):
        t.note("io_uring switched off: this kernel has no kernel.io_uring_disabled")
        return
    with open(SYSCTL, encoding="ascii") as f:
        was = f.read()
    try:
        with open(SYSCTL, "w", encoding="ascii") as f:
            f.write("1\n")
    except OSError as e:
        t.note("io_uring switched off: kernel.io_uring_disabled is not ours to write here (%s)" % e.strerror)
        return
    try:
        before = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-all"]
        codes["sysctl"], _ = refuses(t, one, "io_uring switched off", ["io_uring", "io_uring_disabled"], (), before)
    finally:
        with open(SYSCTL, "w", encoding="ascii") as f:
            f.write(was)


# ---------------------------------------------------------------- a full disk

class FullDisk:
    """An engine whose spool is a small tmpfs that only it sees; we reach it through /proc/PID/root."""

    def __init__(self, stage):
        self.net = world.Net()
        zone = world.Zone()
        self.domain = zone.mx("d.test", (10, zone.host("mx.test", self.net.address(1))))
        self.dns = stage.add(world.Dns(stage, zone))
        self.engine = stage.add(new_engine(stage, "full", dns_servers=self.dns.endpoint,
                                           smtp_tcp_port=str(self.net.port)))
        disk = os.path.join(self.engine.dir, "disk")
        os.makedirs(disk)
        self.engine.parameters["spool_directory"] = os.path.join(disk, "spool")
        self.engine.write_conf()
        script = ('mount -t tmpfs -o size=%d,mode=755 none "$0" && mkdir -m 700 "$0/spool" && exec "$@"' % DISK_SIZE)
        self.engine.start(before=[*own_mounts(), "sh", "-c", script, disk])
        self.disk = "/proc/%d/root%s" % (self.engine.pid, disk)
        self.filler = os.path.join(self.disk, "filler")
        self.path = stage.path("full.ledger")
        self.book = inject.Book(self.path)

    def free(self):
        found = os.statvfs(self.disk)
        return found.f_bavail * found.f_frsize

    def fill(self):
        with open(self.filler, "ab", buffering=0) as out:
            block = bytes(1 << 16)
            for _ in range(DISK_SIZE >> 16):
                try:
                    out.write(block)
                except OSError:
                    return

    def offer(self, content):
        """One mail by hand: the code of the final answer, or of the one that stood in the way."""
        attempt = inject.Attempt(inject.Job(content, [self.domain], False, False), "full@sender.test")
        wire = inject.Wire(self.engine.host, self.engine.port)
        try:
            wire.reply()
            wire.send(b"EHLO full.test\r\n")
            wire.reply()
            wire.send(attempt.commands())
            no = attempt.read_envelope(wire)
            if no is not None:
                self.book.refused(attempt.id, *no)
                return no
            self.book.write("offered", attempt.id, inject.hashlib.sha256(mails.canonical(attempt.content)).hexdigest(),
                            str(len(attempt.content)), ",".join(attempt.taken))
            wire.send(attempt.body()[0])
            code, text, _ = wire.reply()
            if code == 250:
                self.book.accepted(attempt.id, text.split()[-1], attempt.taken, len(attempt.content), 0.0)
            else:
                self.book.refused(attempt.id, code, text)
            return code, text
        finally:
            wire.close()

    def offer_until(self, contents, want, limit):
        """Offers until an answer has this code; returns (that answer or the last one, how many)."""
        answer = (0, "")
        for count in range(1, limit + 1):
            answer = self.offer(next(contents))
            if answer[0] == want:
                return answer, count
            if answer[0] not in (250, 452):
                break
        return answer, count


def full_disk(stage, t):
    scene = FullDisk(stage)
    contents = inject.endless(3, ((1, 100 << 10, 400 << 10),), 8)
    t.ok(scene.offer(next(contents))[0] == 250, "full disk: at first mail is accepted")
    scene.fill()
    (code, text), count = scene.offer_until(contents, 452, 400)
    t.ok(code == 452 and text.startswith("4.3.1"), "full disk: injectors hear 452 4.3.1", "%d %s" % (code, text))
    scene.fill()
    # Each core has a journal of its own and may have room in it when the other has none: soon both refuse.
    rows, answers = 0, []
    while rows < 12 and len(answers) < 400:
        answers.append(scene.offer(next(contents)))
        rows = rows + 1 if answers[-1][0] == 452 else 0
    t.ok(rows == 12 and all(code in (250, 452) for code, _ in answers),
         "full disk: soon everybody hears 452, and only that", str(answers[-3:]))
    t.ok(scene.engine.running(), "full disk: the engine goes on", scene.engine.tail())
    t.note("%d mails until 452, %d octets free" % (count, scene.free()))

    sink_path = stage.path("full.sink")
    stage.add(world.LedgerSink(stage, ["%s:%d" % (scene.net.address(1), scene.net.port)], sink_path))
    scene.engine.drain(40, lambda queued: scene.fill())
    t.ok(True, "full disk: what was accepted is delivered while the disk is full")
    os.unlink(scene.filler)
    (code, text), count = scene.offer_until(contents, 250, 1)
    for _ in range(50):
        if code == 250:
            break
        time.sleep(0.1)
        code, text = scene.offer(next(contents))
    t.ok(code == 250, "full disk: space returned, and without a restart mail is accepted again", "%d %s" % (code, text))
    scene.engine.drain(20)
    scene.book.flush()
    verdict = ledger.check(ledger.Ledger().read(scene.path).read(sink_path), ledger.Log().read(scene.engine.log))
    t.ok(verdict.good() and verdict.duplicates == 0, "full disk: nothing was lost, altered or repeated",
         verdict.line() + "\n" + "\n".join(verdict.examples))
    t.ok(scene.engine.lives == 1 and scene.engine.stop() == 0, "full disk: the one life ends with 0 on TERM")


def crc32c(crc, data):
    crc ^= 0xffffffff
    for octet in data:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def rewrite(one, old, new):
    """Other octets in a record of the spool, and the checksum that belongs to them (core/journal_format.h)."""
    for path in glob.glob(os.path.join(one.spool, "journal-*", "*.seg")):
        with open(path, "r+b") as f:
            octets = bytearray(f.read())
            if old not in octets:
                continue
            where = octets.index(old)
            salt, at = octets[28:32], 8192
            size = struct.unpack_from("<I", octets, at + 4)[0]
            while at + 24 + size <= where:
                at += (24 + size + 7) // 8 * 8
                size = struct.unpack_from("<I", octets, at + 4)[0]
            octets[where:where + len(old)] = new
            crc = crc32c(crc32c(struct.unpack("<I", salt)[0], struct.pack("<I", at)), octets[at + 4:at + 24 + size])
            struct.pack_into("<I", octets, at, crc)
            f.seek(0)
            f.write(octets)
            return True
    return False


def foreign_spool(stage, t):
    net = world.Net()
    one = stage.add(new_engine(stage, "foreign", relayhost="[%s]:%d" % (net.address(1), net.port)))
    one.start()
    with smtplib.SMTP(one.host, one.port) as client:
        for text in (b"this is @it\r\n", b"this is not\r\n"):
            client.sendmail("a@client.test", ["b@d.test"], b"Subject: x\r\n\r\n" + text)
    t.ok(one.stop() == 0, "foreign spool: the life that took them ends with 0")
    t.ok(rewrite(one, b"this is @it", b"this is \0it"), "foreign spool: somebody has written a NUL into one of two")
    server = Gulp(net.address(1), net.port)
    server.go_on.set()
    server.start()
    one.start()
    one.drain(20)
    t.ok(one.stop() == 0, "foreign spool: the next life ends with 0")
    server.listener.close()
    with open(one.log, encoding="utf-8", errors="replace") as log:
        ends = [line for line in log if "status=bounced" in line or "status=sent" in line]
    t.ok(len(ends) == 2 and sum("dsn=5.6.0, status=bounced" in line for line in ends) == 1,
         "foreign spool: one is sent, the other bounced with 5.6.0 (row SMG-06)", "".join(ends))
    t.ok(server.answered == 1 and all(b"\0" not in content for content in server.contents),
         "foreign spool: the NUL is nowhere on the wire", str(server.contents))


def main():
    t = tap.Tap("errors")
    with e2e.Stage("errors") as stage:
        for case in (libraries, config_errors, outputs, port_in_use, directories, read_only, second_instance, io_uring,
                     full_disk, foreign_spool):
            t.case(case.__name__.replace("_", " ") + " ran to its end", case, stage, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
