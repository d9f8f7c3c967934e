"""signals - TERM, a second TERM, INT and HUP in the middle of work

TERM    what is under way comes to its end, exit 0; nothing is sent twice by the next life
late    a drain that outlives drain_timeout ends as on a second TERM, and says so
twice   a second TERM ends at once, though a server takes a minute for its answer; nothing is lost
INT     as a second TERM, at the first
body    a second TERM, INT and KILL while a message is on its way: what the server has is no message (case 491)
unix    a listener on unix:/path takes mail, also after a KILL has left its file; the file goes with a clean end
HUP     the log is rotated under load: no line is lost, none is in both files, the old one is let go;
        lookup tables that have changed are read again, wrong ones are not taken
"""

import os
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import engine  # noqa: E402
import ledger  # noqa: E402
import tap  # noqa: E402
import world  # noqa: E402

MINUTE_MS = 60000
AT_ONCE_S = 10.0        # far from the minute that a server would have taken, whatever else the machine does


class Scene:
    """Two domains, two sinks, an injector that goes on until it is told to stop."""

    def __init__(self, stage, name, slow_ms):
        self.stage = stage
        self.net = world.Net()
        zone = world.Zone()
        self.domains = [zone.mx("d%d.test" % i, (10, zone.host("mx%d.test" % i, self.net.address(i)))) for i in (1, 2)]
        self.dns = stage.add(world.Dns(stage, zone))
        self.paths = [stage.path("%s.sink%d" % (name, i)) for i in (1, 2)]
        self.sinks = []
        self.open_sinks(slow_ms)
        self.engine = stage.add(engine.Engine(stage, {
            "dns_servers": self.dns.endpoint, "smtp_tcp_port": str(self.net.port), "minimal_backoff_time": "1s",
            "maximal_backoff_time": "2s", "connection_cache_ttl_limit": "2s"}, name))
        self.inject_path = stage.path(name + ".ledger")
        self.injector_out = stage.path(name + ".out")

    def open_sinks(self, slow_ms):
        for last, path in zip((1, 2), self.paths):
            self.sinks.append(self.stage.add(world.LedgerSink(
                self.stage, ["%s:%d" % (self.net.address(last), self.net.port)], path, ["--slow", str(slow_ms)])))

    def close_sinks(self):
        for sink in self.sinks:
            self.stage.end(sink)
        self.sinks = []

    def inject(self, rate=300):
        with open(self.injector_out, "wb") as out:
            self.injector = self.stage.add(e2e.Process("inject.py", [
                sys.executable, "-B", os.path.join(ROOT, "tests", "lib", "inject.py"), "--port", str(self.engine.port),
                "--ledger", self.inject_path, "--domains", ",".join(self.domains), "--small", "--rate", str(rate)],
                stdout=out, stderr=subprocess.STDOUT, preexec_fn=world.die_with_parent))

    def stop_injector(self):
        self.injector.stop(40, expect=0)

    def wait_accepted(self, count):
        def enough():
            try:
                with open(self.inject_path, encoding="utf-8") as lines:
                    return sum(line.startswith("accepted") for line in lines) >= count
            except FileNotFoundError:
                return False
        e2e.wait_for("%d accepted mails" % count, enough, 20, 0.05)

    def verdict(self):
        book = ledger.Ledger().read(self.inject_path)
        for path in self.paths:
            book.read(path)
        return ledger.check(book, ledger.Log().read(self.engine.log))


def end_of_life(scene, numbers, limit_s):
    """Sends the signals, a moment apart; (exit code, seconds), the code None when it did not end in time."""
    for i, number in enumerate(numbers):
        if i:
            time.sleep(0.3)
        scene.engine.signal(number)
    began = time.monotonic()
    try:
        code = scene.engine.process.child.wait(limit_s)
    except subprocess.TimeoutExpired:
        code = None
        scene.engine.kill()
    return code, time.monotonic() - began


def settle(t, scene, label, twice_allowed):
    """The next life delivers what is left; then the ledgers are compared."""
    scene.engine.start()
    scene.stop_injector()
    scene.engine.drain(40)
    t.ok(scene.engine.stop() == 0, "%s: the next life ends with 0" % label)
    v = scene.verdict()
    t.ok(v.good() and v.messages > 0, "%s: nothing lost, altered or repeated unannounced" % label,
         v.line() + "\n" + "\n".join(v.examples))
    if not twice_allowed:
        t.ok(v.duplicates == 0 and v.ambiguous == 0, "%s: no copy twice, and none feared" % label, v.line())
    t.note("%s: %s" % (label, v.line()))


def term_drains(stage, t):
    scene = Scene(stage, "term", 300)
    scene.engine.start()
    scene.inject()
    scene.wait_accepted(300)
    code, seconds = end_of_life(scene, [signal.SIGTERM], 20)
    t.ok(code == 0, "TERM: it ends with 0 with mail in flight", "exit %s after %.1f s" % (code, seconds))
    t.note("TERM: it took %.1f s" % seconds)
    settle(t, scene, "TERM", False)


def stuck(stage, t, name, numbers, parameters=None):
    """The servers take up to a minute for their answer to the dot, so that only impatience ends this."""
    scene = Scene(stage, name, MINUTE_MS)
    scene.engine.parameters.update(parameters or {})
    scene.engine.write_conf()
    scene.engine.start()
    scene.inject()
    scene.wait_accepted(100)
    code, seconds = end_of_life(scene, numbers, 20)
    t.ok(code == 0, "%s: it ends with 0" % name, "exit %s after %.1f s" % (code, seconds))
    t.ok(seconds < AT_ONCE_S, "%s: within %g s" % (name, AT_ONCE_S), "it took %.1f s" % seconds)
    if parameters:
        with open(scene.engine.log, encoding="utf-8", errors="replace") as log:
            t.ok("still open after drain_timeout" in log.read(), "%s: the log says why" % name)
    scene.close_sinks()
    scene.open_sinks(0)
    settle(t, scene, name, True)


class Gulp(threading.Thread):
    """A server that swallows some of the first message, and no more before it is told to go on."""

    SOME = 1 << 16

    def __init__(self, host, port):
        super().__init__(daemon=True)
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        self.listener.bind((host, port))
        self.listener.listen()
        self.halfway, self.go_on = threading.Event(), threading.Event()
        self.contents = []      # one for each DATA, as far as it came
        self.answered = 0

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:     # closed
                return
            with sock:
                try:
                    self.talk(sock)
                except OSError:
                    pass

    def talk(self, sock):
        sock.sendall(b"220 gulp ESMTP\r\n")
        line = b""
        while True:
            octet = sock.recv(1)
            line += octet
            if not octet or line == b"QUIT\r\n":
                return
            if not line.endswith(b"\r\n"):
                continue
            sock.sendall(b"354 go\r\n" if line == b"DATA\r\n" else b"250 ok\r\n")
            if line == b"DATA\r\n":
                self.swallow(sock)
            line = b""

    def swallow(self, sock):
        content = bytearray()
        self.contents.append(content)
        while not content.endswith(b"\r\n.\r\n"):
            if len(content) > self.SOME:
                self.halfway.set()
                self.go_on.wait(60)
            data = sock.recv(1 << 16)
            if not data:
                return
            content += data
        self.answered += 1
        sock.sendall(b"250 got it\r\n")


def mid_body(stage, t, name, numbers):
    """Its 16 MiB are more than the kernel takes for a server that does not read."""
    net, zone = world.Net(), world.Zone()
    domain = zone.mx("d1.test", (10, zone.host("mx1.test", net.address(1))))
    dns = stage.add(world.Dns(stage, zone))
    server = Gulp(net.address(1), net.port)
    server.start()
    one = stage.add(engine.Engine(stage, {
        "dns_servers": dns.endpoint, "smtp_tcp_port": str(net.port), "minimal_backoff_time": "1s",
        "maximal_backoff_time": "2s", "message_size_limit": "0"}, "body-" + name))
    one.start()
    lines = b"".join(b"%07d a line of the message\r\n" % i for i in range((16 << 20) // 33))
    with smtplib.SMTP(one.host, one.port) as client:
        client.sendmail("a@client.test", ["b@" + domain], b"Subject: long\r\n\r\n" + lines)
    t.ok(server.halfway.wait(20), "%s: the message is on its way" % name)
    for i, number in enumerate(numbers):
        if i:
            time.sleep(0.3)
        one.signal(number)
    one.process.child.wait(20)
    server.go_on.set()
    one.start()
    one.drain(40)
    t.ok(one.stop() == 0, "%s: the next life ends with 0" % name)
    server.listener.close()
    cut, whole = bytes(server.contents[0]), bytes(server.contents[-1])
    t.ok(len(server.contents) == 2 and server.answered == 1, "%s: it is sent twice, and ends once" % name,
         "%d times, %d ends" % (len(server.contents), server.answered))
    t.ok(whole.endswith(lines + b".\r\n"), "%s: then all of it arrives" % name, "%d octets" % len(whole))
    t.ok(b"\r\n.\r\n" not in cut and len(cut) < len(whole), "%s: what came first has no end (case 491)" % name,
         "%d octets" % len(cut))


def greets_unix(path):
    """The first line of whoever listens there, or nothing."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(5)
        try:
            s.connect(path)
            return s.recv(512)
        except OSError:
            return b""


def send_unix(path, domain):
    """One mail through a unix socket: the replies' codes."""
    codes = []
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(path)
        replies = s.makefile("rb")
        for line in (b"", b"HELO unix.test", b"MAIL FROM:<a@unix.test>", b"RCPT TO:<b@%s>" % domain.encode(), b"DATA",
                     b"Subject: through a unix socket\r\n\r\nhello\r\n.", b"QUIT"):
            if line:
                s.sendall(line + b"\r\n")
            codes.append(replies.readline()[:3].decode())
    return " ".join(codes)


def unix_listener(stage, t):
    scene = Scene(stage, "unix", 0)
    one = scene.engine
    path = os.path.join(one.dir, "smtp.sock")
    one.parameters["inject_smtp_listen"] += ", unix:" + path
    one.write_conf()
    want = "220 250 250 250 354 250 221"
    one.start()
    e2e.wait_for("the unix socket", lambda: greets_unix(path), 5)
    got = send_unix(path, scene.domains[0])
    t.ok(got == want, "unix: a mail is accepted", got)
    two = stage.add(engine.Engine(stage, {"inject_smtp_listen": "unix:" + path}, "unix-second"))
    rc, said = two.run()
    t.ok(rc == 69 and path in said and "in use" in said, "unix: a second engine is told that it is in use",
         "exit %s\n%s" % (rc, said))
    one.kill()
    t.ok(os.path.exists(path), "unix: KILL leaves the file")
    one.start()
    e2e.wait_for("the unix socket", lambda: greets_unix(path), 5)
    got = send_unix(path, scene.domains[1])
    t.ok(got == want, "unix: after a KILL the next life accepts mail", got)
    one.drain(20)
    t.ok(ledger.Log().read(one.log).sent == 2, "unix: both were delivered")
    t.ok(one.stop() == 0 and not os.path.exists(path), "unix: TERM ends it with 0 and the file goes")


def hup_reads_tables(stage, t):
    scene = Scene(stage, "hup-tables", 0)
    one = scene.engine
    table = os.path.join(one.dir, "peers")

    def write(text):
        with open(table + ".new", "w", encoding="ascii") as f:
            f.write(text)
        os.rename(table + ".new", table)

    def said(words):
        with open(one.log, encoding="utf-8") as f:
            return f.read().count(words)

    write("192.0.2.1 x\n")
    one.parameters["debug_peer_list"] = "texthash:" + table
    one.write_conf()
    one.start()
    one.signal(signal.SIGHUP)
    time.sleep(0.3)
    t.ok(said("table:") == 0, "HUP: a table that is as it was is not read again")
    for round_ in range(1, 4):
        write("192.0.2.1 %d\n" % round_)
        one.signal(signal.SIGHUP)
        e2e.wait_for("the table", lambda count=round_: said("table: read again texthash:" + table) == count, 5)
        time.sleep(0.2)
    t.ok(True, "HUP: a table that has changed is read again, three times")
    write("192.0.2.1 4\n")
    for sig in (signal.SIGSTOP, signal.SIGHUP, signal.SIGUSR2, signal.SIGCONT):
        one.signal(sig)
    for _ in range(50):
        one.signal(signal.SIGUSR2)
    e2e.wait_for("the table", lambda: said("table: read again texthash:" + table) == 4, 5)
    write("192.0.2.1 5\n")
    one.signal(signal.SIGHUP)
    e2e.wait_for("the table", lambda: said("table: read again texthash:" + table) == 5, 5)
    t.ok(True, "HUP: a USR2 of somebody else's in the middle does no harm")
    write("192.0.2.1\n")
    one.signal(signal.SIGHUP)
    e2e.wait_for("the complaint", lambda: said("table: the old content stays: %s, line 1: no value" % table) == 1, 5)
    t.ok(one.stop() == 0, "HUP: a table that is wrong is refused, and the engine goes on")


def held_files(pid):
    """Names of what the process has open just now."""
    names = []
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            names.append(os.readlink("/proc/%d/fd/%s" % (pid, fd)))
        except FileNotFoundError:       # a connection that has gone meanwhile
            pass
    return names


def hup_rotates(stage, t):
    scene = Scene(stage, "hup", 0)
    scene.engine.start()
    scene.inject(1000)
    old = scene.engine.log + ".1"
    scene.wait_accepted(300)
    os.rename(scene.engine.log, old)
    time.sleep(0.2)
    scene.engine.signal(signal.SIGHUP)
    e2e.wait_for("a new log file", lambda: os.path.exists(scene.engine.log), 15)
    e2e.wait_for("the old log file to be let go", lambda: old not in held_files(scene.engine.pid), 15)
    t.ok(True, "HUP: the old log file is let go")
    size = os.path.getsize(old)
    scene.wait_accepted(600)
    t.ok(os.path.getsize(old) == size, "HUP: nothing is added to the old file any more")
    scene.stop_injector()
    scene.engine.drain(30)
    t.ok(scene.engine.stop() == 0, "HUP: TERM ends it with 0")
    both = ledger.Log().read(old).read(scene.engine.log)
    v = scene.verdict()
    t.ok(both.sent == v.delivered, "HUP: both files together have one line for each delivery",
         "%d lines, %d deliveries" % (both.sent, v.delivered))
    t.ok(ledger.Log().read(scene.engine.log).sent > 0, "HUP: the new file is used")
    t.ok(v.good() and v.duplicates == 0, "HUP: nothing lost, altered or repeated", v.line())


def main():
    t = tap.Tap("signals")
    with e2e.Stage("signals") as stage:
        t.case("TERM with mail in flight", term_drains, stage, t)
        t.case("a second TERM", stuck, stage, t, "two-TERMs", [signal.SIGTERM, signal.SIGTERM])
        t.case("a drain that takes too long", stuck, stage, t, "drain-timeout", [signal.SIGTERM], {"drain_timeout": "1s"})
        t.case("INT", stuck, stage, t, "INT", [signal.SIGINT])
        t.case("a second TERM in mid-body", mid_body, stage, t, "two-TERMs", [signal.SIGTERM, signal.SIGTERM])
        t.case("INT in mid-body", mid_body, stage, t, "INT", [signal.SIGINT])
        t.case("KILL in mid-body", mid_body, stage, t, "KILL", [signal.SIGKILL])
        t.case("HUP", hup_rotates, stage, t)
        t.case("HUP and tables", hup_reads_tables, stage, t)
        t.case("a unix socket", unix_listener, stage, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
