"""tls_peers - TLS 1.2 and 1.3 with servers of others: OpenSSL in Postfix, OpenSMTPD, Sendmail and node, GnuTLS in Exim

Three mails one after another, each on a connection of its own, at the level secure, once with each version: each is delivered
and its server verified, and where the server allows it, the second and third session is resumed. Then three more on one connection
(smtp_tls_connection_reuse).

    --peer NAME     only this one; --list: the names
"""

import argparse
import os
import re
import smtplib
import ssl
import sys

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import engine  # noqa: E402
import postfix_instance  # noqa: E402
import tap  # noqa: E402
from peers import exim, opensmtpd, root, sendmail, smtp_server  # noqa: E402

DOMAIN = "peer.test"
MESSAGE = b"From: a@sender.test\r\nSubject: in private\r\n\r\n.a dot, and %s\r\n" % (b"a long line " * 60)


class Postfix:
    """smtpd with the same pair, and tickets as it gives them by default."""

    name = "postfix"

    @staticmethod
    def is_here():
        return True

    def __init__(self, stage):
        self.instance = postfix_instance.receiver(stage.path("postfix"), [DOMAIN], overrides={
            "smtpd_tls_security_level": "may", "smtpd_tls_loglevel": "1",
            "smtpd_tls_cert_file": os.path.join(root.PKI, "server.pem"),
            "smtpd_tls_key_file": os.path.join(root.PKI, "server.key")})
        self.host, self.port = self.instance.host, self.instance.port

    def stop(self):
        self.instance.stop()


# The name is that of a class of tests/lib/peers; which versions resume there is what these releases do by default.
PEERS = {"postfix": (Postfix, "1.2 1.3"), "exim": (exim.Exim, ""), "opensmtpd": (opensmtpd.Opensmtpd, ""),
         "sendmail": (sendmail.Sendmail, ""), "smtp-server": (smtp_server.SmtpServer, "1.2 1.3")}


def lines(one, *words):
    with open(one.log, errors="replace") as log:
        return [line.rstrip() for line in log if all(word in line for word in words)]


def deliver(one, count):
    """One after the other: none is offered before the one in front of it is sent."""
    for i in range(count):
        with smtplib.SMTP(one.host, one.port, local_hostname="client.test", timeout=20) as client:
            client.sendmail("a@sender.test", ["r%d@%s" % (i, DOMAIN)], MESSAGE)
        e2e.wait_for("mail %d to be sent" % i, lambda: lines(one, "to=<r%d@" % i, "status="), 20, 0.02)


def has_tls(peer):
    """Can OpenSSL's own client do it? OpenSMTPD 6.8, as Debian 12 has it, was not made for OpenSSL 3: it cannot sign."""
    context = ssl.create_default_context(cafile=os.path.join(root.PKI, "root.pem"))
    try:
        with smtplib.SMTP(peer.host, peer.port, local_hostname="client.test", timeout=20) as client:
            client._host = "mx.example.org"     # what the certificate is for
            client.starttls(context=context)
            return client.ehlo()[0] == 250
    except (OSError, smtplib.SMTPException) as e:
        print("#   %s" % e)
        return False


def talk(stage, t, name, peer, version, kept):
    one = stage.add(engine.Engine(stage, {
        "relayhost": "[%s]:%d" % (peer.host, peer.port), "worker_threads": "1",
        "smtp_tls_security_level": "secure", "smtp_tls_secure_cert_match": "mx.example.org", "smtp_tls_loglevel": "2",
        "smtp_tls_CAfile": os.path.join(root.PKI, "root.pem"), "smtp_tls_mandatory_protocols": "TLSv" + version,
        "smtp_tls_session_cache_database": "btree:${data_directory}/smtp_scache",
        "smtp_connection_cache_destinations": peer.host, "smtp_tls_connection_reuse": "yes" if kept else "no",
    }, "engine-%s-%s" % (version, kept)))
    one.start()
    deliver(one, 3)
    label = "%s, TLS %s%s" % (name, version, ", one connection" if kept else "")
    said = "\n".join(lines(one, "smtp"))
    new = len(lines(one, "Verified TLS connection established to ", "TLSv%s with cipher " % version))
    t.ok(len(lines(one, "status=sent", ", tls=secure, dsn=2.")) == 3, label + ": three mails are delivered", said)
    t.ok(new == (1 if kept else 3), label + ": the server is verified on each connection", said)
    resumed = len(lines(one, "Reusing old session"))
    if kept:
        t.ok(len(lines(one, "Verified TLS connection reused to ")) == 2, label + ": and used again", said)
    elif version in PEERS[name][1].split():
        t.ok(resumed == 2, label + ": the session is resumed", said)
    else:
        t.note("%s: resumed %d of 2" % (label, resumed))
    t.ok(one.stop() == 0, label + ": TERM ends the engine with 0")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--peer", default="")
    p.add_argument("--list", action="store_true")
    args = p.parse_args()
    if args.list:
        print("\n".join(PEERS))
        return 0
    t = tap.Tap("tls_peers")
    left_out = []
    for name, (kind, _) in PEERS.items():
        if not re.search(args.peer, name):
            continue
        if not kind.is_here():
            print("# %s is left out: tools/setup did not find it" % name)
            continue
        with e2e.Stage("tls_peer") as stage:
            peer = stage.add(kind(stage))
            if not has_tls(peer):
                print("# %s is left out: OpenSSL's own client comes to nothing with it either" % name)
                left_out.append(name)
                continue
            for version, kept in (("1.3", False), ("1.2", False), ("1.3", True)):
                t.case("%s, TLS %s" % (name, version), talk, stage, t, name, peer, version, kept)
    t.ok(set(left_out) <= {"opensmtpd"}, "nobody else is left out", repr(left_out))
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
