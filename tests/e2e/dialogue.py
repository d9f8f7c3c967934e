"""dialogue - the listener as a client by hand meets it, welcome and not

One command, one reply, as with telnet or swaks: help, verify, unknown commands, wrong order, silence and
nonsense; then the same listener with mynetworks somewhere else, where every way of writing a recipient is
refused and nothing gets in. Who is sent away is named in the log.
"""

import os
import socket
import sys

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import engine  # noqa: E402
import tap  # noqa: E402

# (what is sent, how each line of the reply that comes begins); None: the connection is closed
FRIENDLY = [
    ("HELP", "214 2.0.0 "), ("NOOP", "250 2.0.0 "), ("VRFY root", "252 2.0.0 "), ("EXPN list", "502 5.5.1 "),
    ("BLAH", "500 5.5.2 "), ("EHLO", "501 5.5.4 "), ("RCPT TO:<a@b.test>", "503 5.5.1 "), ("DATA", "503 5.5.1 "),
    ("EHLO client.test", "250"), ("STARTTLS", "502 5.5.1 "), ("AUTH PLAIN", "502 5.5.1 "),
    ("MAIL FROM:x@y.test", "501 5.5.4 "), ("MAIL FROM:<x@y.test> COLOUR=red", "555 5.5.4 "),
    ("MAIL FROM:<x@y.test> SIZE=99999999", "552 5.3.4 "), ("MAIL FROM:<x@y.test> BODY=8BITMIME SIZE=100", "250 2.1.0 "),
    ("MAIL FROM:<x@y.test>", "503 5.5.1 "), ("DATA", "503 5.5.1 "), ("RCPT TO:<>", "501 5.1.3 "),
    ("RSET", "250 2.0.0 "), ("MAIL FROM:<x@y.test> BODY=BINARYMIME", "504 5.5.4 "), ("MAIL FROM:<x@y.test>", "250 2.1.0 "),
    ("RCPT TO:<nodomain>", "501 5.1.3 "), ("RCPT TO:<a@b.test>", "250 2.1.5 "), ("RSET", "250 2.0.0 "),
    ("RCPT TO:<a@b.test>", "503 5.5.1 "), ("MAIL FROM:<>", "250 2.1.0 "), ('RCPT TO:<"a b"@b.test>', "250 2.1.5 "),
    ("DATA", "354 "), ("Subject: hello\r\n\r\n..dot\r\n.", "250 2.0.0 Ok: queued as "), ("QUIT", "221 2.0.0 "), ("", None)]
STRANGER = [
    ("EHLO client.test", "250"), ("MAIL FROM:<a@b.test>", "250 2.1.0 ")] + [
    ("RCPT TO:<%s>" % rcpt, "554 5.7.1 ") for rcpt in (
        "c@d.test", "c@[127.0.0.1]", "@engine.test:c@d.test", "c%d.test@engine.test", '"c@d.test"@engine.test',
        "postmaster@engine.test")] + [
    ("DATA", "503 5.5.1 "), ("BDAT 0 LAST", "503 5.5.1 "), ("QUIT", "221 2.0.0 ")]
SENT_AWAY = {
    "a browser": (["GET / HTTP/1.1"], "554 5.5.0 "),
    "a bare LF in content": (["EHLO x", "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "DATA", "S: x\n\nx\r\n."], "550 5.6.11 "),
    "silence": ([], "421 4.4.2 "),
}


class Dialogue:
    def __init__(self, one):
        self.socket = socket.create_connection((one.host, one.port), timeout=10)
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply()

    def reply(self):
        """All lines of one reply; None: closed."""
        out = []
        while not out or out[-1][3:4] == "-":
            line = self.file.readline()
            if not line:
                return None
            out.append(line.decode(errors="replace").rstrip("\r\n"))
        return out

    def say(self, text):
        self.socket.sendall(text.encode() + b"\r\n")
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()


def play(t, one, label, script):
    talk = Dialogue(one)
    t.ok(talk.greeting and talk.greeting[-1].startswith("220 engine.test ESMTP"), "%s: the greeting names the host" % label,
         str(talk.greeting))
    for text, want in script:
        try:
            got = talk.say(text)
        except OSError:
            got = None
        fits = got is None if want is None else got is not None and all(line.startswith(want) for line in got)
        t.ok(fits, "%s: %r is answered with %s" % (label, text[:45], want or "the end"), str(got))
    talk.close()


def lines(one, word):
    with open(one.log, errors="replace") as f:
        return [line for line in f if word in line]


def sent_away(t, one):
    for label, (script, want) in SENT_AWAY.items():
        talk = Dialogue(one)
        for text in script[:-1]:
            talk.say(text)
        got = talk.say(script[-1]) if script else talk.reply()
        closed = talk.reply() is None
        talk.close()
        t.ok(got is not None and got[-1].startswith(want) and closed, "%s: %s and the end" % (label, want.strip()), str(got))
        e2e.wait_for("a line about " + label, lambda w=want: lines(one, w), 5)
    talk = Dialogue(one)
    replies = [talk.say("JUNK") for _ in range(20)]
    t.ok(all(r[-1].startswith("500") for r in replies) and talk.reply()[-1].startswith("421 4.7.0"),
         "twenty errors: 421 after the last", str(replies[-1]))
    talk.close()
    e2e.wait_for("a line about errors", lambda: lines(one, "giving up on unknown[127.0.0.1]: 421 4.7.0"), 5)


def run(stage, t):
    one = stage.add(engine.Engine(stage, {"relayhost": "[127.0.0.1]:9", "smtpd_timeout": "3s"}, "friendly"))
    one.start()
    play(t, one, "a client", FRIENDLY)
    sent_away(t, one)
    e2e.wait_for("one mail accepted", lambda: one.metrics().get("ringpost_accepted_total") == 1, 5)
    t.ok(one.stop() == 0, "TERM ends it with 0")
    two = stage.add(engine.Engine(stage, {"relayhost": "[127.0.0.1]:9", "mynetworks": "10.0.0.0/8"}, "closed"))
    two.start()
    play(t, two, "a stranger", STRANGER)
    count = sum(want == "554 5.7.1 " for _, want in STRANGER)
    e2e.wait_for("a line for each refusal", lambda: len(lines(two, "Relay access denied")) == count, 5)
    e2e.wait_for("the metric of refusals", lambda: two.metrics().get("ringpost_inject_refused_relay_total") == count, 5)
    t.ok(two.metrics().get("ringpost_accepted_total") == 0, "a stranger gets nothing in")
    t.ok(two.stop() == 0, "TERM ends the other with 0")


def main():
    t = tap.Tap("dialogue")
    with e2e.Stage("dialogue") as stage:
        t.case("the run came to its end", run, stage, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
