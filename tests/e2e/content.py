"""content - large content through the real engine: memory, order, waiting

big (the default, 64 MiB; --size for more): a message of 8-bit text and one with long lines go to a server without
8BITMIME, so that each is changed all the way through. Claims: it arrives as it must, and the engine's resident memory
is what it was with messages of 100 KiB, give or take 2 MiB (case 492).

--many N: one message of --size goes to N domains at once, with less memory for content than they all would take at
a time: those that find none wait. Claims: all of them arrive as they must, none is deferred, memory is bounded; the
slowest and the fastest transfer are printed. Not part of tools/test.
"""

import argparse
import hashlib
import json
import os
import re
import resource
import selectors
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import engine  # noqa: E402
import tap  # noqa: E402
import world  # noqa: E402

GROWTH_MAX_KIB = 2048
WARM = 600
BEGIN = b"X-Begin:"
END = b"\r\n.\r\n"


# ---------------------------------------------------------------- content

def quoted_printable(line):
    """B 16.4, one octet at a time."""
    out, text = [], b""
    for c in line:
        if len(text) > 72:
            out.append(text + b"=")
            text = b""
        text += bytes([c]) if c == 9 or 32 <= c <= 126 and c != 61 else b"=%02X" % c
    if text[-1:] in (b" ", b"\t"):
        text = text[:-1] + b"=%02X" % text[-1]
    out.append(text)
    return out


def wrapped(line, limit=998):
    out = [line[:limit]]
    for at in range(limit, len(line), limit - 1):
        out.append(b" " + line[at:at + limit - 1])
    return out


def wire(lines):
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)


class Content:
    """A header, and a paragraph again and again: what goes in, and what has to come out."""

    def __init__(self, kind, size):
        if kind == "8bit":
            lines = [("%d. Öffnet die Fenster, es riecht nach Großmutters Käse.  " % i).encode() for i in range(200)]
            lines += [b".", b"..", "ü".encode() * 300, b"plain"]
            change, label = quoted_printable, b"quoted-printable"
        else:
            lines = [b"x" * n for n in (10, 998, 999, 5000)] + [b".", b".y" * 600]
            change, label = wrapped, None
        head = [b"X-Begin: 1", b"MIME-Version: 1.0", b"Content-Type: text/plain; charset=utf-8"]
        self.head = wire(head + ([b"Content-Transfer-Encoding: 8bit"] if label else []) + [b""])
        self.head_out = wire(head + ([b"Content-Transfer-Encoding: " + label] if label else []) + [b""])
        self.block = wire(lines)
        self.block_out = wire(piece for line in lines for piece in change(line))
        self.repeat = max(1, size // len(self.block))
        self.size = len(self.head) + self.repeat * len(self.block)

    def sha256(self):
        h = hashlib.sha256(self.head_out)
        many = self.block_out * 64
        for _ in range(self.repeat // 64):
            h.update(many)
        h.update(self.block_out * (self.repeat % 64))
        return h.hexdigest()


def inject(one, content, rcpts):
    """Returns when the engine has answered the dot."""
    with socket.create_connection((one.host, one.port), 60) as s:
        s.settimeout(600)
        replies = s.makefile("rb")

        def say(line, expect):
            if line is not None:
                s.sendall(line + b"\r\n")
            reply = replies.readline()
            while reply[3:4] == b"-":
                reply = replies.readline()
            if not reply.startswith(expect):
                raise e2e.Failure("%s: %s" % (line, reply))

        say(None, b"220")
        say(b"EHLO client.test", b"250")
        say(b"MAIL FROM:<a@client.test> BODY=8BITMIME", b"250")
        for rcpt in rcpts:
            say(b"RCPT TO:<" + rcpt.encode() + b">", b"250")
        say(b"DATA", b"354")
        s.sendall(content.head)
        many = content.block * 64
        for _ in range(content.repeat // 64):
            s.sendall(many)
        s.sendall(content.block * (content.repeat % 64))
        say(b".", b"250")


# ---------------------------------------------------------------- the server

class Session:
    def __init__(self, sock):
        self.sock, self.line, self.hash = sock, b"", None
        self.rcpt, self.begun, self.at, self.tail = "", 0.0, 0, b""
        sock.sendall(b"220 sink ESMTP\r\n")

    def feed(self, data, out):
        """False: it is over."""
        while data:
            if self.hash is not None:
                data = self.content(data, out)
                continue
            self.line += data
            data = b""
            while b"\r\n" in self.line and self.hash is None:
                line, _, self.line = self.line.partition(b"\r\n")
                if not self.command(line):
                    return False
            if self.hash is not None:
                data, self.line = self.line, b""
        return True

    def command(self, line):
        verb = line[:4].upper()
        if verb == b"EHLO":
            self.sock.sendall(b"250-sink\r\n250 PIPELINING\r\n")
        elif verb == b"RCPT":
            self.rcpt = re.search(rb"<(.*)>", line).group(1).decode()
            self.sock.sendall(b"250 ok\r\n")
        elif verb == b"DATA":
            self.sock.sendall(b"354 go\r\n")
            self.hash, self.begun, self.at, self.tail = hashlib.sha256(), time.monotonic(), -1, b""
        elif verb == b"QUIT":
            self.sock.sendall(b"221 bye\r\n")
            return False
        else:
            self.sock.sendall(b"250 ok\r\n")
        return True

    def content(self, data, out):
        """Hashes from the first field of ours on; keeps back what may be the beginning of the end."""
        data = self.tail + data
        if self.at < 0:
            begin = data.find(BEGIN)
            if begin < 0:
                self.tail = data
                return b""
            data, self.at = data[begin:], 0
        end = data.find(END)
        if end < 0:
            keep = len(data) - 4
            self.hash.update(data[:keep])
            self.at += keep
            self.tail = data[keep:]
            return b""
        self.hash.update(data[:end + 2])
        out.write(json.dumps({"rcpt": self.rcpt, "sha256": self.hash.hexdigest(), "octets": self.at + end + 2,
                              "seconds": time.monotonic() - self.begun}) + "\n")
        out.flush()
        self.sock.sendall(b"250 2.0.0 got it\r\n")
        self.hash = None
        return data[end + 5:]


def serve(host, port, path):
    world.die_with_parent()
    poll = selectors.DefaultSelector()
    listener = socket.create_server((host, port), backlog=4096)
    poll.register(listener, selectors.EVENT_READ)
    with open(path, "w", encoding="ascii") as out:
        while True:
            for key, _ in poll.select():
                if key.fileobj is listener:
                    sock, _ = listener.accept()
                    poll.register(sock, selectors.EVENT_READ, Session(sock))
                    continue
                data = b""
                try:
                    data = key.fileobj.recv(1 << 18)
                    alive = bool(data) and key.data.feed(data, out)
                except OSError:
                    alive = False
                if not alive:
                    poll.unregister(key.fileobj)
                    key.fileobj.close()


class Sink:
    def __init__(self, stage, host, port):
        self.path = stage.path("sink.jsonl")
        self.pid = os.fork()
        if self.pid == 0:
            try:
                serve(host, port, self.path)
            finally:
                os._exit(1)
        e2e.wait_for("the greeting of the sink", lambda: e2e.greets(host, port), 10)

    def got(self):
        with open(self.path, encoding="ascii") as lines:
            return [json.loads(line) for line in lines if line.endswith("\n")]

    def stop(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


class Watch(threading.Thread):
    """The most resident memory seen."""

    def __init__(self, one):
        super().__init__(daemon=True)
        self.one, self.peak, self.over = one, one.rss_kib(), threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            self.peak = max(self.peak, self.one.rss_kib())

    def stop(self):
        self.over.set()
        self.join()
        return self.peak


# ---------------------------------------------------------------- the runs

def world_of(stage, name, domains, extra):
    net = world.Net()
    zone = world.Zone()
    host = zone.host("mx.test", net.address(1))
    for domain in domains:
        zone.mx(domain, (10, host))
    dns = stage.add(world.Dns(stage, zone))
    sink = stage.add(Sink(stage, net.address(1), net.port))
    parameters = {"dns_servers": dns.endpoint, "smtp_tcp_port": str(net.port), "message_size_limit": "0"}
    parameters.update(extra)
    return sink, stage.add(engine.Engine(stage, parameters, name))


def deliver(one, sink, content, rcpts, limit_s):
    before = len(sink.got())
    inject(one, content, rcpts)
    one.drain(limit_s)
    return sink.got()[before:]


def big(stage, args, t):
    for kind in args.kinds:
        sink, one = world_of(stage, "engine-" + kind, ["big.test"], {})
        one.start()
        small, large = Content(kind, 100 << 10), Content(kind, args.size << 20)
        # As many as it takes until each receive buffer of each core has been used: 512 of 16 KiB.
        for _ in range(WARM):
            inject(one, small, ["a@big.test"])
        one.drain(30)
        base = one.rss_kib()
        watch = Watch(one)
        watch.start()
        began = time.monotonic()
        got = deliver(one, sink, large, ["a@big.test"], 30 + args.size)
        took = time.monotonic() - began
        peak = watch.stop()
        t.ok([g["sha256"] for g in got] == [large.sha256()], "%s: %d MiB arrived as they must" % (kind, args.size),
             str(got))
        t.ok(peak - base < GROWTH_MAX_KIB or engine.sanitized(),
             "%s: memory grew by less than %d KiB (case 492)" % (kind, GROWTH_MAX_KIB), "%d KiB" % (peak - base))
        print("content: kind=%s mib=%d out_octets=%d seconds=%.1f transfer_s=%.1f rss_small_kib=%d rss_peak_kib=%d "
              "growth_kib=%d" % (kind, args.size, got[0]["octets"], took, got[0]["seconds"], base, peak, peak - base),
              flush=True)
        one.stop()
        stage.end(sink)


def many(stage, args, t):
    domains = ["d%d.test" % i for i in range(args.many)]
    sink, one = world_of(stage, "engine", domains, {
        "content_memory": str(args.memory // 2 << 20), "initial_destination_concurrency": "1",
        "smtp_data_xfer_timeout": "3600s", "smtp_data_done_timeout": "3600s"})
    kind = args.kinds[0]
    content = Content(kind, args.size << 20)
    one.start()
    for _ in range(WARM):
        inject(one, Content(kind, 100 << 10), ["a@d0.test"])
    one.drain(60)
    base = one.rss_kib()
    watch = Watch(one)
    watch.start()
    began = time.monotonic()
    got = deliver(one, sink, content, ["r@" + d for d in domains], args.limit)
    took = time.monotonic() - began
    peak = watch.stop()
    after = one.metrics()
    want = content.sha256()
    t.ok(len(got) == args.many and all(g["sha256"] == want for g in got) and len({g["rcpt"] for g in got}) == args.many,
         "%d transfers of %d MiB arrived as they must" % (args.many, args.size), "%d came" % len(got))
    t.ok(after.get("ringpost_deferred_total", 0) == 0, "none was deferred", str(after))
    seconds = sorted(g["seconds"] for g in got)
    print("content: transfers=%d mib=%d kind=%s memory_mib=%d seconds=%.1f mib_per_s=%.0f fastest_s=%.2f tenth_s=%.2f median_s=%.2f "
          "slowest_s=%.2f slowest/fastest=%.1f waits=%d rss_kib=%d rss_peak_kib=%d" % (
              args.many, args.size, kind, args.memory, took, sum(g["octets"] for g in got) / took / (1 << 20),
              seconds[0], seconds[len(seconds) // 10], seconds[len(seconds) // 2], seconds[-1], seconds[-1] / max(seconds[0], 0.001),
              after.get("ringpost_content_waits_total", 0), base, peak), flush=True)
    t.ok(peak - base < 64 * 1024 or engine.sanitized(), "memory grew by less than 64 MiB", "%d KiB" % (peak - base))
    one.stop()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--size", type=int, help="MiB of a message (64; with --many 10)")
    p.add_argument("--many", type=int, metavar="N", help="transfers at one time")
    p.add_argument("--memory", type=int, default=64, help="with --many: MiB for content, both cores together")
    p.add_argument("--limit", type=int, default=600, help="with --many: seconds")
    p.add_argument("--kinds", nargs="+", default=["8bit", "long"], help="8bit: quoted-printable; long: broken lines")
    args = p.parse_args()
    args.size = args.size or (10 if args.many else 64)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    t = tap.Tap("content")
    with e2e.Stage("content") as stage:
        t.case("the run came to its end", many if args.many else big, stage, args, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
