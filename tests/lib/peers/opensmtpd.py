"""opensmtpd - OpenSMTPD's server: a strict parser, and no PIPELINING at all"""

import os
import re

import e2e
from peers import root

# What it puts into a header that lacks them.
ADDED = re.compile(rb"Date: [^\r]*\(UTC\)\r\nMessage-ID: <\w+@[^>]*>\r\n")

CONF = """
table everybody {{ "@" = "mail" }}
smtp max-message-size "64M"
smtp limit max-rcpt 1000
action "store" maildir "{dir}/mail" virtual <everybody>
match from any for any action "store"
pki opensmtpd.test cert "/etc/ringpost/server.pem"
pki opensmtpd.test key "/etc/ringpost/server.key"
listen on 127.0.0.1 port {port} tls pki opensmtpd.test hostname opensmtpd.test
"""


class Opensmtpd:
    name = "opensmtpd"
    chunking = False
    lmtp = False

    @staticmethod
    def is_here():
        return True

    def __init__(self, stage, **_):
        self.host, self.port = "127.0.0.1", e2e.free_port()
        conf = CONF.format(port=self.port, dir=stage.path(self.name))
        self.root = root.Rooted(stage, self.name, {"etc/smtpd.conf": conf, **root.server_pair()},
                                users=["opensmtpd", "opensmtpq"], folders=["var/lib/opensmtpd/empty"])
        self.root.start(["/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf"])
        self.root.wait("OpenSMTPD's greeting", lambda: e2e.greets(self.host, self.port))

    def delivered(self):
        """(recipients, content) of everything stored."""
        for octets in root.maildir(os.path.join(self.root.dir, "mail")):
            fields, content = root.split_trace(octets, b"received")
            yield [fields[b"delivered-to"]], ADDED.sub(b"Date: NOW\r\nMessage-ID: NEW\r\n", content)

    def stop(self):
        self.root.stop()
