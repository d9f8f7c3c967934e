"""tls_ends - TLS that ends, or whose certificates change, where nobody expects it

A reply and the end of TLS in one segment; HUP between connect and STARTTLS. Either has ended the engine once.
"""

import os
import signal
import ssl
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tls  # noqa: E402  (it finds the rest)
import e2e  # noqa: E402
import tap  # noqa: E402

RUBBISH = b"\x17\x03\x03\x00\x20" + b"x" * 32


class Server(tls.Server):
    """Waits before its greeting; or greets and ends TLS in one segment."""

    def __init__(self, *args, last_words=None, slow=0.0, **kwargs):
        self.last_words, self.slow = last_words, slow
        super().__init__(*args, **kwargs)

    def _talk(self, conn, in_tls):
        time.sleep(self.slow)
        if self.last_words:
            self._greet_and_go(conn)
        else:
            super()._talk(conn, in_tls)

    def _greet_and_go(self, conn):
        taken, given = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = self.context.wrap_bio(taken, given, server_side=True)
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                conn.sendall(given.read())
                taken.write(conn.recv(65536))
        conn.sendall(given.read())
        time.sleep(0.1)
        session.write(b"220 mx.example.org ESMTP\r\n")
        if self.last_words == "goodbye":
            try:
                session.unwrap()
            except ssl.SSLWantReadError:
                pass
        conn.sendall(given.read() + (RUBBISH if self.last_words == "rubbish" else b""))
        conn.recv(65536)


def last_words(stage, t):
    """What was to be said to a server that has just ended TLS is not said, and nothing else suffers."""
    for version, word in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        for words, status in (("goodbye", "4.4.2"), ("rubbish", "4.5.0")):
            tls.outcome(stage, t, "row TLS-19: a greeting and %s in one segment, %s" % (words, word),
                        {"smtp_tls_security_level": "encrypt", "smtp_tls_wrappermode": "yes"}, status, version=version,
                        last_words=words)


def renewed_meanwhile(stage, t):
    """HUP between connect and STARTTLS: the session goes by what it was opened with."""
    one, peer = tls.play(stage, {"smtp_tls_security_level": "verify", "smtp_tls_CAfile": tls.pki("root.pem")}, slow=0.8)
    tls.send(one)
    e2e.wait_for("a connection", lambda: peer.connections == 1, 10, 0.02)
    for _ in range(3):
        os.kill(one.process.pid, signal.SIGHUP)
        time.sleep(0.15)
    tls.wait_line(one, "to=<b@example.org>", "status=")
    t.ok(len(peer.messages) == 1 and peer.messages[0][0], "a session that HUP has overtaken has TLS", one.tail())
    t.ok(one.stop() == 0, "and TERM ends it with 0")


def main():
    tls.Server = Server
    t = tap.Tap("tls_ends")
    with e2e.Stage("tls_ends") as stage:
        for part in (last_words, renewed_meanwhile):
            t.case(part.__name__ + " ran to its end", part, stage, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
