"""tables - what another process knows: a real tcp: table behind the real engine, and a DNS server that does not validate

    a table says what to leave out of a server's EHLO reply, and what it says is done
    an error of the table: deferred with 4.3.0, and delivered when the table has an answer
    nobody at the table's address: the same
    smtp_dns_support_level = dnssec and no AD: one line, and dnssec_probe = ns:. is asked once for all cores
"""

import os
import smtplib
import socket
import sys
import threading

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import engine  # noqa: E402
import tap  # noqa: E402
import world  # noqa: E402

MESSAGE = b"From: a@sender.test\r\nSubject: what do you know?\r\n\r\nbody\r\n"
QUICK = {"minimal_backoff_time": "1s", "maximal_backoff_time": "1s", "dns_timeout": "1s"}


class Table:
    """tcp_table(5): every question gets the same answer."""

    def __init__(self, answer):
        self.answer, self.questions = answer, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                conn = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._talk, args=(conn,), daemon=True).start()

    def _talk(self, conn):
        with conn, conn.makefile("rb") as lines:
            for line in lines:
                self.questions.append(line)
                conn.sendall(self.answer)

    def stop(self):
        self.listener.close()


def log_lines(one, *words):
    with open(one.log, errors="replace") as f:
        return [line.rstrip() for line in f if all(word in line for word in words)]


def wait_line(one, *words):
    e2e.wait_for("a line with " + " ".join(words), lambda: log_lines(one, *words), 20, 0.05)


def send(one, rcpt):
    with smtplib.SMTP(one.host, one.port, local_hostname="client.test", timeout=20) as client:
        client.sendmail("a@sender.test", [rcpt], MESSAGE)


def play(stage, name, **parameters):
    """An engine, a DNS server and one mail exchanger for d1.test, ... d8.test."""
    net, zone = world.Net(), world.Zone()
    host = zone.host("mx1.test", net.address(1))
    for i in range(1, 9):
        zone.mx("d%d.test" % i, (10, host))
    dns = stage.add(world.Dns(stage, zone))
    stage.add(world.DumpSink(stage, net.address(1), net.port))
    one = stage.add(engine.Engine(stage, {"dns_servers": dns.endpoint, "smtp_tcp_port": str(net.port), **QUICK,
                                          **parameters}, name))
    one.start()
    return one, net


def asked(stage, t):
    table = stage.add(Table(b"200 pipelining\n"))
    one, net = play(stage, "asked", smtp_discard_ehlo_keyword_address_maps="tcp:127.0.0.1:%d" % table.port)
    send(one, "b@d1.test")
    wait_line(one, "to=<b@d1.test>", "status=sent")
    t.ok(table.questions == [b"get %s\n" % net.address(1).encode()], "the table is asked for the server's address",
         str(table.questions))
    t.ok(len(log_lines(one, "discarding EHLO keywords: PIPELINING")) == 1, "what it says is done, and logged")
    table.answer = b"400 not now\n"
    send(one, "b@d2.test")
    wait_line(one, "to=<b@d2.test>", "dsn=4.3.0", "status=deferred", "local data error while talking to mx1.test")
    t.ok(True, "case 176: an error of the table defers with 4.3.0")
    table.answer = b"500 nothing\n"
    wait_line(one, "to=<b@d2.test>", "status=sent")
    t.ok(True, "the mail leaves when the table has an answer")
    t.ok(one.stop() == 0, "TERM ends it with 0, the connection to the table open or not")


def nobody(stage, t):
    one, _ = play(stage, "nobody", smtp_discard_ehlo_keyword_address_maps="tcp:127.0.0.1:%d" % e2e.free_port())
    send(one, "b@d1.test")
    wait_line(one, "to=<b@d1.test>", "dsn=4.3.0", "status=deferred")
    t.ok(not log_lines(one, "status=sent"), "a table that nobody serves is an error, and not \"not found\"")
    t.ok(one.stop() == 0, "TERM ends it with 0")


def unvalidated(stage, t):
    one, _ = play(stage, "unvalidated", smtp_dns_support_level="dnssec", worker_threads="2")
    for i in range(1, 9):
        send(one, "b@d%d.test" % i)
    for i in range(1, 9):
        wait_line(one, "to=<b@d%d.test>" % i, "status=sent")
    wait_line(one, "DNSSEC validation may be unavailable: dnssec_probe ns:.:")
    t.ok(len(log_lines(one, "DNSSEC validation")) == 1, "answers without validation are told once for all cores",
         "\n".join(log_lines(one, "DNSSEC")))
    t.ok(one.stop() == 0, "TERM ends it with 0")


def everything(stage, t):
    for function in (asked, nobody, unvalidated):
        t.case(function.__name__ + " ran to its end", function, stage, t)


def main():
    t = tap.Tap("tables")
    with e2e.Stage("tables") as stage:
        t.case("the run came to its end", everything, stage, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
