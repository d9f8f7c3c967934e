"""peers - every mail of tests/mail reaches the servers of others octet by octet

Exim, OpenSMTPD, Sendmail, Dovecot (LMTP) and npm's smtp-server each get every mail through ringpostd, with 1 and 5 recipients, and
some with 500; with PIPELINING and without, by DATA and, where the server offers CHUNKING, by BDAT; to Exim in TLS, too, which is
GnuTLS there, at the level secure.

What is right is what the server stores when the same mail comes from twenty lines of Python that can do nothing but DATA, one
command at a time: servers change mail on its way in, each in its own way, and say so nowhere.

    --peer NAME     only this one; --way WORDS: only ways with these words; --list: the names
"""

import argparse
import collections
import hashlib
import os
import re
import socket
import sys

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import e2e  # noqa: E402
import engine  # noqa: E402
import inject  # noqa: E402
import ledger  # noqa: E402
import mails  # noqa: E402
import postfix  # noqa: E402
import sink as sink_file  # noqa: E402
import tap  # noqa: E402
from peers import dovecot, exim, opensmtpd, sendmail, smtp_server  # noqa: E402

PEERS = (exim.Exim, opensmtpd.Opensmtpd, sendmail.Sendmail, dovecot.Dovecot, smtp_server.SmtpServer)
DOMAIN = "peer.test"
MANY = ("plain", "dot-comb", "8bit-utf8", "no-final-newline")     # with 500 recipients
FIELD = b"Received: from injector.test by engine.test; Sun, 1 Mar 2026 00:00:00 +0000\r\n"

Way = collections.namedtuple("Way", "words pipelining bdat tls", defaults=(False,))
PKI = os.path.join(ROOT, "tests", "unit", "crypto", "pki")
WAYS = (Way("PIPELINING, DATA", True, False), Way("one command at a time, DATA", False, False),
        Way("PIPELINING, BDAT", True, True), Way("one command at a time, BDAT", False, True),
        Way("in TLS, DATA", True, False, True))


# ---------------------------------------------------------------- the plain client

class Plain:
    """A connection; one command at a time, and nothing clever."""

    def __init__(self, peer):
        if peer.lmtp:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(30)
            self.socket.connect(peer.socket)
        else:
            self.socket = socket.create_connection((peer.host, peer.port), timeout=30)
        self.file = self.socket.makefile("rb")
        self.expect(220)
        self.say("%s client.test" % ("LHLO" if peer.lmtp else "EHLO"), 250)

    def expect(self, code, may_refuse=False):
        while True:
            line = self.file.readline() or b"500 closed"
            if line[3:4] != b"-":
                break
        taken = line.startswith(b"%d" % code)
        if not taken and not (may_refuse and line.startswith(b"5")):
            raise e2e.Failure("expected %d, got %r" % (code, line))
        return taken

    def say(self, command, code):
        self.socket.sendall(command.encode() + b"\r\n")
        self.expect(code)

    def send(self, rcpt, content):
        """Did the server take it?"""
        self.say("MAIL FROM:<direct@%s>" % DOMAIN, 250)
        self.say("RCPT TO:<%s>" % rcpt, 250)
        self.say("DATA", 354)
        try:
            self.socket.sendall(mails.stuff(content))
        except ConnectionError:
            pass                # it has said why, or closes without a word
        return self.expect(250, may_refuse=True)

    def close(self):
        self.socket.close()


def collect(peer, want, limit_s=40):
    """{recipient: [content]} once `want` recipients have been served."""
    seen = collections.defaultdict(list)

    def enough():
        seen.clear()
        for rcpts, content in peer.delivered():
            for rcpt in rcpts:
                seen[rcpt.lower()].append(content)
        return sum(map(len, seen.values())) >= want
    e2e.wait_for("%s storing %d copies" % (peer.name, want), enough, limit_s, 0.5)
    return seen


def direct(stage, kind):
    """{mail: what the server makes of it; None when it refuses the content}."""
    peer = stage.add(kind(stage))
    taken = {}
    for at, (name, (_, content)) in enumerate(mails.SHAPES.items()):
        taken[name] = "direct%d@%s" % (at, DOMAIN)
        plain = Plain(peer)
        if not plain.send(taken[name], FIELD + content):
            taken[name] = None
        plain.close()
    seen = collect(peer, len(taken) - list(taken.values()).count(None))
    return {name: rcpt and sink_file.without_trace(seen[rcpt][0]) for name, rcpt in taken.items()}


# ---------------------------------------------------------------- through ringpostd

def parameters(peer, way):
    own = {"minimal_backoff_time": "1s", "smtp_destination_recipient_limit": "500",
           "lmtp_destination_recipient_limit": "500",
           "smtp_line_length_limit": "0", "lmtp_line_length_limit": "0"}	# octet by octet: long lines stay long
    if way.bdat:
        own["smtp_chunking_destinations"] = own["lmtp_chunking_destinations"] = "static:all"
    if peer.lmtp:
        own["default_transport"] = "lmtp:unix:%s" % peer.socket
    else:
        own["relayhost"] = "[%s]:%d" % (peer.host, peer.port)
    own["smtp_tls_security_level"] = "none"
    if way.tls:
        own.update({"smtp_tls_security_level": "secure", "smtp_tls_secure_cert_match": "mx.example.org",
                    "smtp_tls_CAfile": os.path.join(PKI, "root.pem"), "smtp_tls_connection_reuse": "yes"})
    if not way.pipelining:
        own["smtp_discard_ehlo_keywords"] = own["lmtp_discard_lhlo_keywords"] = "pipelining"
    return own


def jobs():
    for name, (_, content) in mails.SHAPES.items():
        for count in (1, 5, 500) if name in MANY else (1, 5):
            yield inject.Job(content, [DOMAIN] * count, False, False)


def relay(stage, peer, way, t):
    """Everything through ringpostd: the injector's book."""
    one = stage.add(engine.Engine(stage, parameters(peer, way)))
    path = stage.path("inject.ledger")
    book = inject.Book(path)
    one.start()
    crew = inject.Injector(inject.Plan(jobs()), book, one.host, one.port, 50)
    crew.start()
    crew.join(120)
    book.flush()
    one.drain(120)
    t.ok(one.stop() == 0, "%s: %s: TERM ended the engine with 0" % (peer.name, way.words))
    return ledger.Ledger().read(path)


def run(stage, kind, way, right, t):
    peer = stage.add(kind(stage, pipelining=way.pipelining))
    book = relay(stage, peer, way, t)
    names = {hashlib.sha256(mails.canonical(content)).hexdigest(): name for name, (_, content) in mails.SHAPES.items()}
    kept = {ident: rcpts for ident, (_, rcpts) in book.accepted.items()
            if right[names[book.offered[ident].sha]] is not None}
    want = sum(map(len, kept.values()))
    label = "%s: %s" % (peer.name, way.words)
    t.ok(len(book.accepted) == len(list(jobs())), "%s: everything was accepted" % label, str(book.fate))
    seen = collect(peer, want)
    if hasattr(peer, "chunked"):
        t.ok((peer.chunked() > 0) == way.bdat, "%s: the server saw what was asked for" % label)
    altered, missing = collections.Counter(), []
    t.ok(sum(map(len, seen.values())) == want, "%s: what the server refuses is not stored" % label)
    for ident, rcpts in kept.items():
        name = names[book.offered[ident].sha]
        for rcpt in rcpts:
            copies = seen.get(rcpt.lower(), [])
            if len(copies) != 1:
                missing.append("%s: %d copies" % (rcpt, len(copies)))
            elif sink_file.without_trace(copies[0]) != right[name]:
                altered[name] += 1
                if altered[name] == 1:
                    t.note("%s: %s" % (name, postfix.difference(right[name], sink_file.without_trace(copies[0]))))
    t.ok(not missing, "%s: each of %d recipients got one copy" % (label, want), "\n".join(missing[:5]))
    t.ok(not altered, "%s: %d mails arrive octet by octet" % (label, len(right) - list(right.values()).count(None)), "altered: %s" % dict(altered))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--peer", default="")
    p.add_argument("--way", default="")
    p.add_argument("--list", action="store_true")
    args = p.parse_args()
    if args.list:
        print("\n".join(kind.name for kind in PEERS))
        return 0
    t = tap.Tap("peers")
    for kind in PEERS:
        if not re.search(args.peer, kind.name):
            continue
        if not kind.is_here():
            print("# %s is left out: tools/setup did not find it" % kind.name)
            continue
        right = {}
        with e2e.Stage("peer") as stage:
            t.case("%s takes mail from a plain client" % kind.name, lambda: right.update(direct(stage, kind)))
        refused = [name for name, content in right.items() if content is None]
        changed = [name for name, content in right.items()
                   if content not in (None, mails.canonical(mails.SHAPES[name][1]))]
        print("# %s itself refuses %d of %d: %s" % (kind.name, len(refused), len(right), " ".join(refused) or "none"))
        print("# %s itself changes %d of %d: %s" % (kind.name, len(changed), len(right), " ".join(changed) or "none"))
        for way in WAYS[::2] if engine.sanitized() else WAYS:
            if right and args.way in way.words and (kind.chunking or not way.bdat) and \
                    (getattr(kind, "tls", False) or not way.tls):
                with e2e.Stage("peer") as stage:
                    t.case("%s: %s" % (kind.name, way.words), run, stage, kind, way, right, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
