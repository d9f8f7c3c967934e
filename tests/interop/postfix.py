"""postfix - every mail of tests/mail reaches a real Postfix smtpd octet by octet

Each goes through ringpostd with 1, 5 and 50 recipients into a private Postfix (tests/lib/postfix_instance.py)
that stores one file per recipient. What lies there, without the trace fields on top, must equal what was
injected. PLACED names the only thing Postfix itself changes: where a header block has no end, it puts the
empty line that RFC 5322 asks for.

    --direct    leave ringpostd out and inject into Postfix with a Received field of our own on top: what
                then differs is Postfix's doing, so this is how PLACED was found and is proved
"""

import argparse
import collections
import hashlib
import os
import sys

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import engine  # noqa: E402
import inject  # noqa: E402
import ledger  # noqa: E402
import mails  # noqa: E402
import postfix_instance  # noqa: E402
import sink as sink_file  # noqa: E402
import tap  # noqa: E402
import world  # noqa: E402

COUNTS = (1, 5, 50)
DOMAIN = "postfix.test"
TRACE = b"Received: from injector.test ([127.0.0.1])\r\n\tby engine.test with ESMTP id DIRECT;\r\n" \
    b"\tSun, 1 Mar 2026 00:00:00 +0000\r\n"
# Shapes with a line that is no header field before any empty line: Postfix ends the header there.
PLACED = {"no-header-text": b"this is", "one-octet": b"a", "dot-alone": b".", "dot-dot": b"..",
          "utf8-headers": "X-Ünïcode".encode()}


def expected(name, content):
    content = mails.canonical(content)
    if name not in PLACED:
        return content
    at = content.index(PLACED[name])
    return content[:at] + b"\r\n" + content[at:]


def inject_all(plan, book, host, port):
    crew = [inject.Injector(plan, book, host, port, 50) for _ in range(2)]
    for one in crew:
        one.start()
    for one in crew:
        one.join(120)
    book.flush()


def jobs(counts, prefix):
    for name, (_, content) in mails.SHAPES.items():
        for count in counts:
            yield inject.Job(prefix + content, [DOMAIN] * count, False, count == 5)


def sent_by_name(path):
    """id -> shape name, by digest: two injectors and their retries keep no order."""
    digests = collections.defaultdict(list)
    for name, (_, content) in mails.SHAPES.items():
        digests[hashlib.sha256(mails.canonical(content)).hexdigest()].append(name)
        digests[hashlib.sha256(mails.canonical(TRACE + content)).hexdigest()].append(name)
    book = ledger.Ledger().read(path)
    return {ident: digests[book.offered[ident].sha][0] for ident in book.accepted}, book


def run(stage, args, t):
    counts = tuple(int(c) for c in args.recipients.split(","))
    receiver = stage.add(postfix_instance.receiver(stage.path("postfix"), [DOMAIN]))
    path = stage.path("inject.ledger")
    book = inject.Book(path)
    plan = inject.Plan(jobs(counts, TRACE if args.direct else b""))
    if args.direct:
        inject_all(plan, book, receiver.host, receiver.port)
    else:
        zone = world.Zone()
        zone.mx(DOMAIN, (10, zone.host("mx." + DOMAIN, receiver.host)))
        dns = stage.add(world.Dns(stage, zone))
        one = stage.add(engine.Engine(stage, {"dns_servers": dns.endpoint, "smtp_tcp_port": str(receiver.port),
                                              "smtp_line_length_limit": "0", "minimal_backoff_time": "1s"}))
        one.start()
        inject_all(plan, book, one.host, one.port)
        one.drain(120)
        t.ok(one.stop() == 0, "TERM ended the engine with 0")
    judge(t, receiver, path, counts)


def judge(t, receiver, path, counts):
    names, book = sent_by_name(path)
    want = sum(len(rcpts) for _, rcpts in book.accepted.values())
    t.ok(len(names) == len(mails.SHAPES) * len(counts), "each mail was accepted with %s recipients" % (counts,),
         "%d of %d; %s" % (len(names), len(mails.SHAPES) * len(counts), book.fate))
    files = os.path.join(receiver.dir, "mail", "inbox", "new")
    e2e.wait_for("Postfix delivering %d copies" % want, lambda: len(os.listdir(files)) >= want, 120, 0.2)
    seen = collections.Counter()
    bad = collections.defaultdict(list)
    for got in receiver.delivered():
        ident = got.rcpt.partition("@")[0].rpartition(".")[0]
        name = names.get(ident)
        seen[got.rcpt] += 1
        content = sink_file.without_trace(got.content)
        if name is None:
            bad["?"].append("%s was never offered" % got.rcpt)
        elif content is None:
            bad[name].append("no Received field of the engine on top: %r" % got.content[:60])
        elif content != expected(name, mails.SHAPES[name][1]):
            bad[name].append(difference(expected(name, mails.SHAPES[name][1]), content))
    for name, (words, _) in mails.SHAPES.items():
        t.ok(not bad[name], "%s (%s) arrives octet by octet" % (name, words), "\n".join(bad[name][:3]))
    t.ok(not bad["?"], "nothing else arrived", "\n".join(bad["?"][:3]))
    missing = [r for _, rcpts in book.accepted.values() for r in rcpts if seen[r] != 1]
    t.ok(not missing, "each of %d recipients got one copy" % want, "%d did not: %s" % (len(missing), missing[:3]))


def difference(want, got):
    at = next((i for i, (a, b) in enumerate(zip(want, got)) if a != b), min(len(want), len(got)))
    return "at octet %d of %d (got %d): wanted %r, got %r" % (
        at, len(want), len(got), want[max(0, at - 10):at + 30], got[max(0, at - 10):at + 30])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--direct", action="store_true")
    p.add_argument("--recipients", default=",".join(map(str, COUNTS)))
    args = p.parse_args()
    t = tap.Tap("postfix")
    with e2e.Stage("postfix") as stage:
        t.case("the run came to its end", run, stage, args, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
