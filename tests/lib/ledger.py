"""ledger - what was promised against what arrived

Two files of lines with TAB between fields, written by inject.py and sink.py:

    offered    ID SHA SIZE RCPTS     before the final dot leaves the injector
    accepted   ID QUEUEID RCPTS      after its 250 was read: now the engine owes every RCPT
    refused    ID CODE TEXT          the final reply was no
    aborted    ID                    connection lost before the dot was sent whole
    unknown    ID                    connection lost after the dot, before a reply was read
    committed  ID RCPT SHA N SIZE WHERE      durable at the sink, before its 250 leaves

An ID is used for one attempt to inject, never again: a retry has a new one. So a second commit of
(ID, RCPT) can only be the engine's doing. RCPT's local part starts with the ID, so a mail is known
by its envelope even if its header were damaged.

check() decides the invariants:
    I1  accepted (ID, RCPT) is committed, or bounced, or still queued    else lost
    I2  the SHA committed is the SHA offered                             else altered
    I3  every further commit has its own line "may be delivered twice"   else unexplained
    I4  nothing is committed that was never offered                      else invented
    I5  committed but not accepted: only if the reply was lost (unknown) else uninvited
"""

import collections
import re

TWICE = "may be delivered twice"
LOG_LINE = re.compile(r"ringpost\S*?\[\d+\]: (?:warning: )?([0-9A-Za-z]+): (?:.*?to=<([^>]*)>)?")
STATUS = re.compile(r"status=(\w+)")

Offer = collections.namedtuple("Offer", "sha size rcpts")
Commit = collections.namedtuple("Commit", "id rcpt sha where")


class Ledger:
    """Everything both sides wrote."""

    def __init__(self):
        self.offered = {}
        self.accepted = {}          # id -> (queue id, rcpts)
        self.fate = {}              # id -> refused, aborted, unknown
        self.commits = []

    def read(self, path):
        with open(path, encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                self.take(line.rstrip("\n").split("\t"))
        return self

    def take(self, f):
        if f[0] == "committed":
            self.commits.append(Commit(f[1], f[2], f[3], f[6]))
        elif f[0] == "offered":
            self.offered[f[1]] = Offer(f[2], int(f[3]), f[4].split(","))
        elif f[0] == "accepted":
            self.accepted[f[1]] = (f[2], f[3].split(","))
        elif f[0] in ("refused", "aborted", "unknown"):
            self.fate[f[1]] = f[0]
        else:
            raise ValueError("not a ledger line: %r" % f)


class Log:
    """What the engine itself said in its Postfix-style log, over all its lives."""

    def __init__(self):
        self.twice = collections.Counter()      # (queue id, rcpt or "") -> lines
        self.bounced = set()                    # (queue id, rcpt)
        self.sent = 0
        self.deferred = 0

    def read(self, path):
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                self.take(line)
        return self

    def take(self, line):
        where = LOG_LINE.search(line)
        if not where:
            return
        key = (where.group(1), where.group(2) or "")
        if TWICE in line:
            self.twice[key] += 1
        status = STATUS.search(line)
        if not status:
            return
        if status.group(1) == "sent":
            self.sent += 1
        elif status.group(1) == "deferred":
            self.deferred += 1
        elif status.group(1) == "bounced":
            self.bounced.add(key)


class Verdict:
    """Figures, and up to ten examples of everything that is wrong."""

    FAULTS = ("lost", "altered", "unexplained", "invented", "uninvited")

    def __init__(self):
        self.messages = 0
        self.recipients = 0
        self.delivered = 0
        self.bounced = 0
        self.queued = 0
        self.unknown = 0
        self.duplicates = 0
        self.ambiguous = 0
        self.examples = []
        for fault in self.FAULTS:
            setattr(self, fault, 0)

    def fault(self, kind, words):
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.examples) < 10:
            self.examples.append("%s: %s" % (kind, words))

    def good(self):
        return all(getattr(self, fault) == 0 for fault in self.FAULTS)

    def line(self):
        names = ("messages", "recipients", "delivered", "bounced", "queued", "unknown", "duplicates",
                 "ambiguous") + self.FAULTS
        return " ".join("%s=%d" % (n, getattr(self, n)) for n in names)


def check(ledger, log, queued=()):
    """queued: (queue id, rcpt) pairs still in the engine's hands; usually none, after a drain."""
    v = Verdict()
    queued = set(queued)
    seen = collections.Counter()
    for c in ledger.commits:
        seen[(c.id, c.rcpt)] += 1
        offer = ledger.offered.get(c.id)
        if offer is None or c.rcpt not in offer.rcpts:
            v.fault("invented", "%s for %s at %s was never offered" % (c.id, c.rcpt, c.where))
            continue
        if c.sha != offer.sha:
            v.fault("altered", "%s for %s at %s" % (c.id, c.rcpt, c.where))
        if c.id not in ledger.accepted and ledger.fate.get(c.id) != "unknown":
            v.fault("uninvited", "%s arrived but was %s" % (c.id, ledger.fate.get(c.id, "never ended")))
    for ident, (qid, rcpts) in ledger.accepted.items():
        v.messages += 1
        for rcpt in rcpts:
            v.recipients += 1
            if seen[(ident, rcpt)]:
                v.delivered += 1
            elif (qid, rcpt) in log.bounced:
                v.bounced += 1
            elif (qid, rcpt) in queued:
                v.queued += 1
            else:
                v.fault("lost", "%s for %s, queued as %s" % (ident, rcpt, qid))
    v.unknown = sum(1 for fate in ledger.fate.values() if fate == "unknown")
    v.ambiguous = sum(log.twice.values())
    check_duplicates(v, ledger, log, seen)
    return v


def check_duplicates(v, ledger, log, seen):
    """A recipient's further copies need as many lines of their own. A message whose 250 we lost has a
    queue id we do not know; its recipient's name still finds its lines."""
    by_rcpt = collections.Counter()
    for (_, rcpt), lines in log.twice.items():
        by_rcpt[rcpt] += lines
    for (ident, rcpt), copies in seen.items():
        if copies < 2:
            continue
        v.duplicates += copies - 1
        qid = ledger.accepted.get(ident, ("", ()))[0]
        admitted = log.twice[(qid, rcpt)] if qid else by_rcpt[rcpt]
        admitted += log.twice[(qid, "")] if qid else 0
        for _ in range(copies - 1 - admitted):
            v.fault("unexplained", "%s for %s: %d copies, %d lines" % (ident, rcpt, copies, admitted))
