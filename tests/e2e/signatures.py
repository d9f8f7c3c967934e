"""signatures - a DKIM signature still verifies after delivery where the message needed no change (issue 4)

Every mail of tests/mail whose header dkimpy can read, and generated ones, are signed twice (relaxed and simple, over
every field) and go through the real engine, each to two recipients: one's server has 8BITMIME, the other's has not.
What may be changed is said here in words of our own: a line of more than 998 octets is broken for both, a part that
calls itself 8bit or binary is encoded for the second. Everything else has to arrive octet for octet under the
engine's Received field, and both signatures hold; of what was changed neither does.
"""

import os
import random
import re
import smtplib
import sys

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import engine  # noqa: E402
import mails  # noqa: E402
import mime  # noqa: E402
import signer  # noqa: E402
import sink as sink_file  # noqa: E402
import tap  # noqa: E402
import world  # noqa: E402

SEED = 20262
LINE_MAX = 998			# smtp_line_length_limit
LIMIT_S = 60
UNREADABLE = {"no-header-text", "nothing", "one-octet", "dot-alone", "dot-dot", "utf8-headers"}
LABEL = re.compile(rb"^content-transfer-encoding[ \t]*:[ \t\r\n]*(8bit|binary)", re.I | re.M)


# ---------------------------------------------------------------- mail

def body_of(rng, how):
    """Lines without their ends."""
    if how == "dots":
        return [b"." * rng.randrange(4) + b"x" * rng.randrange(3) for _ in range(60)] + [b"."]
    if how == "998":
        return [b"l" * LINE_MAX, b"." * LINE_MAX, b".." + b"d" * (LINE_MAX - 2), b"\xc3\xa9" * (LINE_MAX // 2)]
    if how == "999":
        return [b"short", b"l" * (LINE_MAX + 1), b"short"]
    if how == "blanks":
        return [b" a \t b ", b"\t", b"", b"= =20 =", b"  "] + [b""] * rng.randrange(5)
    return [bytes(rng.choice(mime.OPAQUE)) for _ in range(30)]


def generated():
    """name -> content"""
    rng, maker, out = random.Random(SEED), mime.Maker(SEED), {}
    for how in ("dots", "998", "999", "blanks", "8 bits"):
        for label in ("", "Content-Transfer-Encoding: 8bit\n", "content-transfer-encoding:\n BINARY\n"):
            head = mails.crlf(mails.head(how, "MIME-Version: 1.0\nX-Name: Ægir\n" + label))
            name = "%s%d" % (how, len(out))
            out[name] = head + b"\r\n" + b"".join(line + b"\r\n" for line in body_of(rng, how))
    for i in range(60):
        out["tree%d" % i] = maker.mail()
    return {name: content.replace(b"\0", b"0") for name, content in out.items()}      # the listener refuses NUL


def may_change(content, is_7bit):
    return any(len(line) > LINE_MAX for line in content.split(b"\r\n")) or (is_7bit and bool(LABEL.search(content)))


def inject(one, number, content, domains):
    options = ["BODY=8BITMIME"] if LABEL.search(content) or max(content) > 127 else []
    one.sendmail("a@client.test", ["%d@%s" % (number, domain) for domain in domains], content, options)


# ---------------------------------------------------------------- the servers

class Keeper(world.LedgerSink):
    """A sink that keeps what came: number of the message -> content below the engine's Received field."""

    def __init__(self, stage, where, *options):
        self.dir = stage.path("kept-" + where)
        os.makedirs(self.dir)
        super().__init__(stage, [where], stage.path("ledger-" + where), ["--no-sync", "--keep", self.dir, *options])

    def count(self):
        with open(self.path, "rb") as lines:
            return sum(line.startswith(b"committed\t") and line.endswith(b"\n") for line in lines)

    def got(self):
        out = {}
        for name in os.listdir(self.dir):
            with open(os.path.join(self.dir, name), "rb") as f:
                out.setdefault(int(name.partition(".")[2]), []).append(f.read())
        return out


def judge(t, by, words, signed, got, is_7bit):
    """One server's view."""
    wrong, kept, changed = [], 0, 0
    for number, (name, content) in enumerate(signed.items()):
        copies = got.get(number, [])
        if len(copies) != 1:
            wrong.append("%s: came %d times" % (name, len(copies)))
            continue
        same = sink_file.without_trace(copies[0]) == content
        holds = by.holds(copies[0])
        if same:
            kept += 1
            if not all(holds):
                wrong.append("%s: arrived as it was, and its signatures: %s" % (name, holds))
        else:
            changed += 1
            if any(holds):
                wrong.append("%s: was changed, and its signatures: %s" % (name, holds))
        if same == may_change(content, is_7bit):
            wrong.append("%s: %s" % (name, "needed a change" if same else "was changed without need"))
    t.ok(not wrong, words, "\n".join(wrong[:10]))
    t.note("%d signed mails, %d untouched, %d changed" % (len(signed), kept, changed))
    return kept, changed


def run(stage, t):
    by, plain = signer.Signer(), {}
    plain.update((name, mails.canonical(c)) for name, (_, c) in mails.SHAPES.items() if name not in UNREADABLE)
    plain.update(generated())
    signed = {name: by.sign(content) for name, content in plain.items()}

    net, zone = world.Net(), world.Zone()
    zone.mx("eight.test", (10, zone.host("mx8.test", net.address(1))))
    zone.mx("seven.test", (10, zone.host("mx7.test", net.address(2))))
    dns = stage.add(world.Dns(stage, zone))
    eight = stage.add(Keeper(stage, "%s:%d" % (net.address(1), net.port)))
    seven = stage.add(Keeper(stage, "%s:%d" % (net.address(2), net.port), "--7bit"))
    one = stage.add(engine.Engine(stage, {"dns_servers": dns.endpoint, "smtp_tcp_port": str(net.port)}))
    one.start()
    with smtplib.SMTP(one.host, one.port, local_hostname="client.test", timeout=LIMIT_S) as client:
        for number, content in enumerate(signed.values()):
            inject(client, number, content, ("eight.test", "seven.test"))
    e2e.wait_for("the last of %d mails at both servers" % len(signed),
                 lambda: min(eight.count(), seven.count()) >= len(signed), LIMIT_S)
    one.stop(expect=0)

    kept, changed = judge(t, by, "at a server with 8BITMIME", signed, eight.got(), False)
    t.ok(kept > 100 and 0 < changed < 20, "only long lines were changed for it", "%d, %d" % (kept, changed))
    kept, changed = judge(t, by, "at a server without 8BITMIME", signed, seven.got(), True)
    t.ok(kept > 60 and changed > 30, "it got many of both sorts", "%d, %d" % (kept, changed))


def main():
    t = tap.Tap("signatures")
    with e2e.Stage("signatures") as stage:
        t.case("the run came to its end", run, stage, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
