"""exim - Exim's SMTP server: strict about synchronisation, and it speaks CHUNKING"""

import os

import e2e
from peers import root

CONF = """
primary_hostname = exim.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
spool_directory = {dir}/spool
log_file_path = {dir}/log-%slog
pid_file_path = {dir}/pid
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts = *
tls_certificate = {pki}/server.pem
tls_privatekey = {pki}/server.key
accept_8bitmime = true
pipelining_advertise_hosts = {pipelining}
chunking_advertise_hosts = {chunking}
received_header_text =
recipients_max = 0
smtp_accept_max = 0
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0
message_size_limit = 64M
acl_smtp_rcpt = all
acl_smtp_data = all
keep_environment =
never_users =
begin acl
all:
  accept
begin routers
all:
  driver = accept
  transport = store
begin transports
store:
  driver = appendfile
  directory = {dir}/mail
  create_directory
  maildir_format
  use_crlf
  envelope_to_add
  check_string =
  batch_max = 1000
  user = mail
  group = mail
begin retry
* * F,1m,1s
"""


class Exim:
    name = "exim"
    chunking = True
    tls = True
    lmtp = False

    @staticmethod
    def is_here():
        return True

    def __init__(self, stage, pipelining=True, chunking=True):
        self.host, self.port = "127.0.0.1", e2e.free_port()
        conf = CONF.format(port=self.port, dir=stage.path("exim"),
                           pki=root.PKI,
                           pipelining="*" if pipelining else "", chunking="*" if chunking else "")
        # At its own place: named with -C, it would cost Exim its privileges.
        self.root = root.Rooted(stage, "exim", {"etc/exim4/exim4.conf": conf}, users=["Debian-exim"])
        self.root.start(["/usr/sbin/exim4", "-bdf", "-q1s"])
        self.root.wait("Exim's greeting", lambda: e2e.greets(self.host, self.port))

    def delivered(self):
        """(recipients, content) of everything stored."""
        for octets in root.maildir(os.path.join(self.root.dir, "mail")):
            fields, content = root.split_trace(octets, b"envelope-to")
            yield [one.strip() for one in fields[b"envelope-to"].split(",")], content

    def chunked(self):
        """How many of its messages came by BDAT: its log says K then."""
        with open(os.path.join(self.root.dir, "log-mainlog"), encoding="utf-8", errors="replace") as log:
            return sum(" <= " in line and " K " in line for line in log)

    def stop(self):
        self.root.stop()

