"""dovecot - Dovecot's LMTP server on a unix socket: a reply for each recipient, and CHUNKING"""

import glob
import os
import socket

from peers import root

CONF = """
protocols = lmtp
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
ssl = no
mail_location = maildir:{dir}/mail/%u
mail_save_crlf = yes
mail_fsync = never
first_valid_uid = 1
lmtp_save_to_detail_mailbox = no
recipient_delimiter =
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={dir}/home/%u allow_all_users=yes
}}
service lmtp {{
  unix_listener {socket} {{
    mode = 0666
  }}
}}
"""


class Dovecot:
    name = "dovecot"
    chunking = True
    lmtp = True

    @staticmethod
    def is_here():
        return True

    def __init__(self, stage, **_):
        self.socket = stage.path(self.name, "lmtp")
        conf = CONF.format(dir=stage.path(self.name), socket=self.socket)
        self.root = root.Rooted(stage, self.name, {"etc/dovecot/dovecot.conf": conf}, users=["dovecot", "dovenull"])
        self.root.start(["/usr/sbin/dovecot", "-F", "-c", "/etc/dovecot/dovecot.conf"])
        self.root.wait("Dovecot's greeting", self._greets)

    def _greets(self):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(self.socket)
                return s.recv(512).startswith(b"220")
        except OSError:
            return False

    def delivered(self):
        """(recipients, content) of everything stored."""
        for folder in sorted(glob.glob(os.path.join(self.root.dir, "mail", "*"))):
            for octets in root.maildir(folder):
                yield [os.path.basename(folder)], root.split_trace(octets, b"received")[1]

    def stop(self):
        self.root.stop()
