#!/usr/bin/env python3
"""inject - an SMTP injector that keeps a ledger (ledger.py says what its lines mean)

Its own dialogue on plain sockets: PIPELINING groups, the next transaction's commands behind the body
for a share of messages, several messages a connection, several recipients a message, BDAT for a share.
4xx: the mail is offered again under a new id. Connection lost: connect again, forever, until told to
stop; what was not answered with 250 is not accepted.

As a program it injects random mails (mails.py) until --count are accepted or SIGTERM comes, and ends
with one line of figures. Exit 0 if every mail was accepted or refused by an answer.

bounds   one mail in memory per thread; 30 s for any reply
"""

import argparse
import collections
import hashlib
import itertools
import os
import random
import signal
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mails  # noqa: E402

REPLY_LIMIT_S = 30.0

Job = collections.namedtuple("Job", "content domains bdat ride")     # one mail and how to offer it


class Gone(Exception):
    """The connection ended or made no sense."""


class Book:
    """The injector's ledger file and its counters; every thread writes here."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")
        self.lock = threading.Lock()
        self.count = collections.Counter()
        self.octets = 0
        self.latency = []
        self.first = self.last = None
        self.texts = collections.Counter()

    def write(self, *fields):
        with self.lock:
            self.count[fields[0]] += 1
            self.file.write("\t".join(fields) + "\n")

    def accepted(self, ident, qid, rcpts, size, seconds):
        self.write("accepted", ident, qid, ",".join(rcpts))
        with self.lock:
            self.last = time.monotonic()
            self.octets += size
            if len(self.latency) < 1000000:
                self.latency.append(seconds)

    def refused(self, ident, code, text):
        self.write("refused", ident, str(code), text.replace("\t", " "))
        with self.lock:
            self.texts["%d %s" % (code, text[:60])] += 1

    def flush(self):
        with self.lock:
            self.file.flush()

    def summary(self):
        lat = sorted(self.latency) or [0.0]
        names = ("offered", "accepted", "refused", "aborted", "unknown")
        return " ".join(["%s=%d" % (n, self.count[n]) for n in names]
                        + ["octets=%d" % self.octets, "p50_ms=%.1f" % (lat[len(lat) // 2] * 1000),
                           "p99_ms=%.1f" % (lat[len(lat) * 99 // 100] * 1000)])


class Plan:
    """Hands out jobs and takes back what has to be offered again. next() waits for the rate."""

    def __init__(self, jobs, rate=0.0):
        self.jobs = iter(jobs)
        self.again = collections.deque()
        self.out = 0                # handed out, not yet done or given back
        self.lock = threading.Lock()
        self.stopped = False
        self.rate = rate
        self.due = time.monotonic()

    def next(self, wait=True):
        """A job, or None when there will be no more; without wait also None when none is ready now."""
        while not self.stopped:
            with self.lock:
                now = time.monotonic()
                if not self.rate or now >= self.due:
                    job = self.again.popleft() if self.again else next(self.jobs, None)
                    if job is not None:
                        self.out += 1
                        self.due = max(self.due + 1 / self.rate, now - 0.05) if self.rate else now
                        return job
                    if not self.out:
                        return None
            if not wait:
                return None
            time.sleep(0.002)
        return None

    def back(self, job):
        with self.lock:
            self.out -= 1
            self.again.append(job)

    def done(self):
        with self.lock:
            self.out -= 1

    def stop(self):
        self.stopped = True


class Wire:
    """One connection: writes, and whole replies."""

    def __init__(self, host, port):
        self.sock = socket.create_connection((host, port), timeout=REPLY_LIMIT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""

    def send(self, octets):
        try:
            self.sock.sendall(octets)
        except OSError as e:
            raise Gone(str(e)) from e

    def line(self):
        while b"\n" not in self.buf:
            try:
                more = self.sock.recv(65536)
            except OSError as e:
                raise Gone(str(e)) from e
            if not more:
                raise Gone("closed")
            self.buf += more
        line, _, self.buf = self.buf.partition(b"\n")
        if not line.endswith(b"\r") or not line[:3].isdigit() or line[3:4] not in (b" ", b"-", b"\r"):
            raise Gone("not a reply: %r" % line[:80])
        return line[:-1]

    def reply(self):
        """(code, text of the last line, all lines)"""
        lines = [self.line()]
        while lines[-1][3:4] == b"-":
            lines.append(self.line())
        return int(lines[-1][:3]), lines[-1][4:].decode("utf-8", "replace"), lines

    def close(self):
        self.sock.close()


class Attempt:
    """One job under one id: its commands, its replies, its fate."""

    serial = itertools.count(1)
    run = "%06x" % (int.from_bytes(os.urandom(3), "big"))

    def __init__(self, job, sender):
        self.job = job
        number = next(Attempt.serial)
        self.id = "%s.%08d.%08d" % (Attempt.run, number, number * 7919 % 100000000)
        self.content = mails.stamp(job.content, self.id) if mails.ID_BLANK in job.content else job.content
        self.rcpts = ["%s.%d@%s" % (self.id, k, d) for k, d in enumerate(job.domains)]
        self.sender = sender
        self.taken = []

    def commands(self):
        size = len(self.content)
        body = " BODY=8BITMIME" if any(b > 127 for b in self.content) else ""
        lines = ["MAIL FROM:<%s> SIZE=%d%s" % (self.sender, size, body)]
        lines += ["RCPT TO:<%s>" % r for r in self.rcpts]
        if not self.job.bdat:
            lines.append("DATA")
        return ("\r\n".join(lines) + "\r\n").encode()

    def read_envelope(self, wire):
        """Returns the reply that stands in the way, or None: the body may go."""
        code, text, _ = wire.reply()
        no = None if code == 250 else (code, text)
        for rcpt in self.rcpts:
            code, text, _ = wire.reply()
            if code in (250, 251):
                self.taken.append(rcpt)
            elif no is None or not self.taken:
                no = no or (code, text)
        if self.job.bdat:
            return None if self.taken else no
        code, text, _ = wire.reply()
        if code != 354:
            return no or (code, text)
        if not self.taken:
            wire.send(b".\r\n")
            wire.reply()
            return no
        return None

    def body(self):
        """What travels, and how many replies it earns."""
        if not self.job.bdat:
            return mails.stuff(self.content), 1
        rng = random.Random(self.id)
        out, at, count = [], 0, 0
        size = len(self.content)
        while True:
            take = min(size - at, rng.choice((0, 1, 100, 4096, 65536, size)))
            last = at + take == size
            out.append(b"BDAT %d%s\r\n" % (take, b" LAST" if last else b"") + self.content[at:at + take])
            at, count = at + take, count + 1
            if last:
                return b"".join(out), count
            if count > 40:
                out.append(b"BDAT %d LAST\r\n" % (size - at) + self.content[at:])
                return b"".join(out), count + 1


class Injector(threading.Thread):
    """Connects, injects, connects again."""

    def __init__(self, plan, book, host, port, per_connection=20, sender="ledger@sender.test"):
        super().__init__(daemon=True)
        self.plan, self.book = plan, book
        self.host, self.port = host, port
        self.per_connection = per_connection
        self.sender = sender

    def run(self):
        job = self.plan.next()
        while job is not None:
            try:
                wire = Wire(self.host, self.port)
            except OSError:
                if self.plan.stopped:
                    self.plan.back(job)
                    return
                time.sleep(0.005)       # between a kill and the restart
                continue
            job = self.connection(wire, job)

    def connection(self, wire, job):
        """Returns the job to begin the next connection with, or None at the end."""
        try:
            self.greet(wire)
        except Gone:
            wire.close()
            time.sleep(0.005)
            return job
        left = self.per_connection
        ahead = None                    # an attempt whose commands are on the wire already
        try:
            while job is not None and left > 0:
                left -= 1
                attempt, ahead = ahead or self.begin(wire, job), None
                ahead = self.transaction(wire, attempt, left > 0)
                job = ahead.job if ahead else None
                if job is None and left > 0:
                    job = self.plan.next()
            wire.send(b"QUIT\r\n")
            wire.reply()
        except Gone:
            if ahead:
                self.plan.back(ahead.job)
            job = None
        wire.close()
        return job if job is not None else self.plan.next()

    def greet(self, wire):
        code, _, _ = wire.reply()
        if code != 220:
            raise Gone("greeting %d" % code)
        wire.send(b"EHLO injector.test\r\n")
        code, _, lines = wire.reply()
        if code != 250:
            raise Gone("EHLO %d" % code)
        offers = {line[4:].split(b" ")[0].upper() for line in lines[1:]}
        self.chunking = b"CHUNKING" in offers

    def begin(self, wire, job):
        if job.bdat and not self.chunking:
            job = job._replace(bdat=False)
        attempt = Attempt(job, self.sender)
        try:
            wire.send(attempt.commands())
        except Gone:
            self.plan.back(job)
            raise
        return attempt

    def transaction(self, wire, attempt, may_ride):
        """Returns the attempt whose commands went out behind this one's body, if any."""
        job, ahead = attempt.job, None
        dot_sent = offered = settled = False
        try:
            no = attempt.read_envelope(wire)
            if no is not None:
                settled = True
                self.refuse(attempt, *no)
                wire.send(b"RSET\r\n")
                wire.reply()
                return None
            sha = hashlib.sha256(mails.canonical(attempt.content)).hexdigest()
            self.book.write("offered", attempt.id, sha, str(len(attempt.content)), ",".join(attempt.taken))
            offered = True
            octets, replies = attempt.body()
            if job.ride and may_ride:
                more = self.plan.next(wait=False)
                if more is not None:
                    ahead = Attempt(more if self.chunking else more._replace(bdat=False), self.sender)
                    octets += ahead.commands()
            began = time.monotonic()
            self.book.first = self.book.first or began
            dot_sent = True             # sendall gives no proof of less: from here on we cannot know
            wire.send(octets)
            code, text = 0, ""
            for _ in range(replies):
                answer, words, _ = wire.reply()
                if code in (0, 250):    # the first refusal counts
                    code, text = answer, words
            took = time.monotonic() - began
        except Gone:
            if offered:
                self.book.write("unknown" if dot_sent else "aborted", attempt.id)
            if not settled:
                self.plan.back(job)
            if ahead:
                self.plan.back(ahead.job)
            raise
        if code == 250:
            words = text.split()
            qid = words[-1] if "queued as" in text else ""
            self.book.accepted(attempt.id, qid, attempt.taken, len(attempt.content), took)
            missing = len(attempt.rcpts) - len(attempt.taken)
            if missing:                 # the rest is another mail, under another id
                self.plan.back(job._replace(domains=[
                    d for d, r in zip(job.domains, attempt.rcpts) if r not in attempt.taken]))
            else:
                self.plan.done()
        else:
            self.refuse(attempt, code, text)
        return ahead

    def refuse(self, attempt, code, text):
        self.book.refused(attempt.id, code, text)
        if 400 <= code < 500 or code == 503:
            time.sleep(0.01)
            self.plan.back(attempt.job)
        else:
            self.plan.done()


def random_jobs(contents, domains, rcpts=(1, 3), bdat=0.2, ride=0.5, seed=1):
    """Jobs from mails: each gets recipients in one or several domains."""
    rng = random.Random(seed)
    for content in contents:
        count = rng.randint(*rcpts)
        if rng.random() < 0.5:
            chosen = [rng.choice(domains)] * count
        else:
            chosen = [rng.choice(domains) for _ in range(count)]
        yield Job(content, chosen, rng.random() < bdat, rng.random() < ride)


def endless(seed, sizes, distinct=300):
    """The same few hundred mails over and over; the id makes each one different."""
    contents = list(mails.mails(seed, distinct, sizes))
    return itertools.cycle(contents)


def main():
    p = argparse.ArgumentParser(description="inject mail over SMTP and keep a ledger")
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, required=True)
    p.add_argument("--ledger", required=True)
    p.add_argument("--domains", required=True, help="comma-separated")
    p.add_argument("--threads", type=int, default=8)
    p.add_argument("--count", type=int, default=0, help="mails to get accepted; 0: until TERM")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--small", action="store_true", help="1 to 64 KB instead of 1 KB to 5 MB")
    p.add_argument("--shapes", action="store_true", help="first every hand-shaped mail of tests/mail, once")
    p.add_argument("--rcpts", type=int, default=3, help="at most this many recipients a mail")
    p.add_argument("--bdat", type=float, default=0.2)
    p.add_argument("--ride", type=float, default=0.5)
    p.add_argument("--rate", type=float, default=0.0, help="mails a second, all threads together")
    p.add_argument("--per-connection", type=int, default=20)
    args = p.parse_args()

    sizes = mails.SIZES_SMALL if args.small else mails.SIZES
    contents = mails.mails(args.seed, args.count, sizes) if args.count else endless(args.seed, sizes)
    if args.shapes:
        contents = itertools.chain((content for _, content in mails.SHAPES.values()), contents)
    plan = Plan(random_jobs(contents, args.domains.split(","), (1, args.rcpts), args.bdat, args.ride,
                            args.seed), args.rate)
    book = Book(args.ledger)
    signal.signal(signal.SIGTERM, lambda *_: plan.stop())
    signal.signal(signal.SIGINT, lambda *_: plan.stop())
    crew = [Injector(plan, book, args.host, args.port, args.per_connection) for _ in range(args.threads)]
    for one in crew:
        one.start()
    for one in crew:
        while one.is_alive():
            one.join(0.2)
            book.flush()
    book.flush()
    print("inject: " + book.summary(), flush=True)
    for text, count in book.texts.most_common(5):
        print("inject: %d x %s" % (count, text), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
