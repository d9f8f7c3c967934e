#!/usr/bin/env python3
"""sink - an SMTP server that keeps a ledger (ledger.py says what its lines mean)

Listens on any number of addresses. Undoes dot-stuffing, removes exactly the one Received field the
engine has put on top, and writes `committed` with the SHA-256 of the rest. The 250 to the final dot
leaves only after an fdatasync that covers its lines; everything that waits shares the next one.

Announces PIPELINING, 8BITMIME (not with --7bit), SIZE, ENHANCEDSTATUSCODES. The next transaction's
commands may ride behind the body; they are answered after the dot. Bare CR or LF in content changes
its SHA, so it shows as altered.

Misbehaves on request, with the given odds for each message or command:
    --tempfail P      451 to the final dot, nothing committed
    --tempfail-rcpt P 450 to RCPT
    --drop-before P   closes after the final dot, nothing committed
    --drop-after P    commits, then closes instead of answering: the RFC 1047 window
    --slow MS         waits up to MS milliseconds before it answers the dot
    --refuse ADDR     binds ADDR without listening, so that connecting to it is refused

bounds   64 MiB a message; 8 KiB a command line
ends     TERM or INT: syncs, writes the last line of figures, exit 0
"""

import argparse
import asyncio
import collections
import hashlib
import os
import random
import re
import signal
import socket
import sys

CONTENT_MAX = 64 * 1024 * 1024
COMMAND_MAX = 8192
ADDRESS = re.compile(rb"(?:from|to):\s*<([^>]*)>", re.I)
END = b"\r\n.\r\n"


def unstuff(octets):
    """Content as it was before the sender doubled dots. octets: all up to, not including, the final dot."""
    if octets.startswith(b"."):
        octets = octets[1:]
    return octets.replace(b"\r\n.", b"\r\n")


def without_trace(content):
    """Removes the topmost field if it is Received; returns None when it is not."""
    if content[:9].lower() != b"received:":
        return None
    end = content.find(b"\r\n") + 2
    while content[end:end + 1] in (b" ", b"\t"):
        end = content.find(b"\r\n", end) + 2
    return content[end:]


class Store:
    """The ledger file. commit() resolves when its lines are on disk: one fdatasync at a time, and all
    lines that arrive meanwhile share the next."""

    def __init__(self, path, sync=True):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.sync = sync
        self.waiting = []
        self.task = None
        self.times = collections.Counter()
        self.syncs = 0

    def count(self, ident, rcpt):
        self.times[(ident, rcpt)] += 1
        return self.times[(ident, rcpt)]

    def commit(self, lines, then):
        self.waiting.append((lines, then))
        if self.task is None:
            self.task = asyncio.get_running_loop().create_task(self.run())

    async def run(self):
        loop = asyncio.get_running_loop()
        while self.waiting:
            batch, self.waiting = self.waiting, []
            os.write(self.fd, "".join(lines for lines, _ in batch).encode("utf-8", "surrogateescape"))
            if self.sync:
                await loop.run_in_executor(None, os.fdatasync, self.fd)
            self.syncs += 1
            for _, then in batch:
                then()
        self.task = None


class Session(asyncio.Protocol):
    """One connection. `busy` while the dot's answer is pending: input waits in the buffer."""

    def __init__(self, sink, where):
        self.sink, self.where = sink, where
        self.buf = bytearray()
        self.scanned = 0
        self.in_data = self.busy = self.gone = False
        self.sender, self.rcpts = None, []

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sink.figures["sessions"] += 1
        self.sink.open += 1
        self.sink.open_max = max(self.sink.open_max, self.sink.open)
        self.say("220 sink.test ESMTP ledger")

    def connection_lost(self, exc):
        self.gone = True
        self.sink.open -= 1

    def say(self, *lines):
        if not self.gone:
            self.transport.write(("\r\n".join(lines) + "\r\n").encode())

    def data_received(self, data):
        self.buf += data
        if len(self.buf) > CONTENT_MAX:
            self.say("552 5.3.4 too big")
            self.transport.close()
        elif not self.busy:
            self.consume()

    def consume(self):
        while not self.busy and not self.gone:
            if self.in_data:
                if not self.take_content():
                    return
            else:
                end = self.buf.find(b"\n")
                if end < 0:
                    if len(self.buf) > COMMAND_MAX:
                        self.say("500 5.5.2 line too long")
                        self.transport.close()
                    return
                line = bytes(self.buf[:end])
                del self.buf[:end + 1]
                if not line.endswith(b"\r"):
                    self.sink.figures["bare_lf"] += 1
                self.command(line.rstrip(b"\r"))

    def take_content(self):
        """Looks for the end; the three octets . CR LF alone at the very start are an empty message."""
        if self.buf.startswith(b".\r\n"):
            raw, rest = b"", 3
        else:
            at = self.buf.find(END, max(0, self.scanned - 4))
            if at < 0:
                self.scanned = len(self.buf)
                return False
            raw, rest = bytes(self.buf[:at + 2]), at + 5
        del self.buf[:rest]
        self.in_data, self.scanned, self.busy = False, 0, True
        self.finish(unstuff(raw))
        return True

    def command(self, line):
        verb = line[:4].upper()
        if verb in (b"EHLO", b"LHLO"):
            self.rcpts = []
            self.say("250-sink.test", "250-PIPELINING", *self.sink.eight, "250-SIZE %d" % CONTENT_MAX,
                     "250 ENHANCEDSTATUSCODES")
        elif verb == b"HELO":
            self.say("250 sink.test")
        elif verb == b"MAIL":
            self.sender, self.rcpts = line, []
            self.say("250 2.1.0 Ok")
        elif verb == b"RCPT":
            self.rcpt(line)
        elif verb == b"DATA":
            if not self.rcpts:
                self.say("554 5.5.1 no valid recipients")
            else:
                self.in_data = True
                self.say("354 go ahead")
        elif verb == b"RSET":
            self.rcpts = []
            self.say("250 2.0.0 Ok")
        elif verb == b"NOOP":
            self.say("250 2.0.0 Ok")
        elif verb == b"QUIT":
            self.say("221 2.0.0 Bye")
            self.transport.close()
            self.gone = True
        else:
            self.say("500 5.5.2 what?")

    def rcpt(self, line):
        found = ADDRESS.search(line)
        if not found or self.sender is None:
            self.say("501 5.5.4 RCPT TO:<address>")
        elif self.sink.chance("tempfail_rcpt"):
            self.say("450 4.2.1 not now")
        else:
            self.rcpts.append(found.group(1).decode("utf-8", "surrogateescape"))
            self.say("250 2.1.5 Ok")

    def finish(self, content):
        """The whole message is here. What happens to it is decided before anything is written."""
        sink = self.sink
        if sink.chance("drop_before"):
            return self.drop()
        if sink.chance("tempfail"):
            return self.answer("451 4.3.0 not now", slow=True)
        bare = without_trace(content)
        if bare is None:
            sink.figures["no_trace"] += 1
        sha = hashlib.sha256(content if bare is None else bare).hexdigest()
        lines = []
        for rcpt in self.rcpts:
            ident = rcpt.partition("@")[0].rpartition(".")[0]
            lines.append("committed\t%s\t%s\t%s\t%d\t%d\t%s\n" % (
                ident, rcpt, sha, sink.store.count(ident, rcpt), len(content), self.where))
        if sink.keep:
            sink.keep_content(self.rcpts, content)
        sink.figures["messages"] += 1
        sink.figures["recipients"] += len(self.rcpts)
        sink.figures["octets"] += len(content)
        after = sink.chance("drop_after")
        sink.store.commit("".join(lines), self.drop if after else
                          lambda: self.answer("250 2.0.0 Ok: committed", slow=True))

    def drop(self):
        self.sink.figures["dropped"] += 1
        self.gone = True
        self.transport.abort()

    def answer(self, text, slow=False):
        if slow and self.sink.slow:
            delay = random.uniform(0, self.sink.slow)
            asyncio.get_running_loop().call_later(delay, self.answer, text)
            return
        self.busy = False
        self.rcpts = []
        self.say(text)
        self.consume()


class Sink:
    """Configuration and figures, shared by all sessions."""

    def __init__(self, args):
        self.odds = vars(args)
        self.slow = args.slow / 1000.0
        self.store = Store(args.ledger, not args.no_sync)
        self.keep = args.keep
        self.eight = [] if args.is_7bit else ["250-8BITMIME"]
        self.kept = 0
        self.figures = collections.Counter()
        self.open = self.open_max = 0
        self.dice = random.Random(args.seed)

    def chance(self, name):
        odds = self.odds[name]
        return odds > 0 and self.dice.random() < odds

    def keep_content(self, rcpts, content):
        self.kept += 1
        path = os.path.join(self.keep, "%06d.%s" % (self.kept, rcpts[0].partition("@")[0]))
        with open(path, "wb") as out:
            out.write(content)

    def summary(self):
        names = ("sessions", "messages", "recipients", "octets", "dropped", "no_trace", "bare_lf")
        return " ".join("%s=%d" % (n, self.figures[n]) for n in names) + (
            " syncs=%d open_max=%d" % (self.store.syncs, self.open_max))


async def serve(args):
    loop = asyncio.get_running_loop()
    sink = Sink(args)
    over = asyncio.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, over.set)
    servers, held = [], []
    for where in args.listen:
        host, _, port = where.rpartition(":")
        servers.append(await loop.create_server(lambda w=where: Session(sink, w), host, int(port), backlog=4096))
    for where in args.refuse:
        host, _, port = where.rpartition(":")
        one = socket.socket()
        one.bind((host, int(port)))
        held.append(one)
    print("sink: listening", flush=True)
    await over.wait()
    for server in servers:
        server.close()
    while sink.store.task is not None:
        await asyncio.sleep(0.005)
    print("sink: " + sink.summary(), flush=True)


def main():
    p = argparse.ArgumentParser(description="an SMTP server that keeps a ledger")
    p.add_argument("--listen", action="append", required=True, metavar="ADDR:PORT")
    p.add_argument("--refuse", action="append", default=[], metavar="ADDR:PORT")
    p.add_argument("--ledger", required=True)
    p.add_argument("--keep", help="folder for every message as it came, Received field and all")
    p.add_argument("--7bit", dest="is_7bit", action="store_true", help="does not announce 8BITMIME")
    p.add_argument("--no-sync", action="store_true", help="answer without fdatasync")
    for name in ("tempfail", "tempfail-rcpt", "drop-before", "drop-after"):
        p.add_argument("--" + name, type=float, default=0.0, metavar="P")
    p.add_argument("--slow", type=float, default=0.0, metavar="MS")
    p.add_argument("--seed", type=int, default=1)
    asyncio.run(serve(p.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
