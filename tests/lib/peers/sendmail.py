"""sendmail - Sendmail's daemon: the oldest habits there are"""

import os
import re
import subprocess

import e2e
from peers import root

# Everything goes to one mailer of our own, which writes down what it is given.
MC = """divert(-1)
include(`{cf}/m4/cf.m4')
VERSIONID(`ringpost interop')
OSTYPE(`linux')
define(`confLOG_LEVEL', `9')
define(`confDONT_BLAME_SENDMAIL', `Safe,GroupWritableDirPathSafe,RunProgramInUnsafeDirPath')
define(`confPRIVACY_FLAGS', `noetrn')
define(`confEIGHT_BIT_HANDLING', `pass8')
define(`confTO_IDENT', `0')
define(`confMAX_MESSAGE_SIZE', `67108864')
define(`confDONT_PROBE_INTERFACES', `True')
define(`confDOMAIN_NAME', `sendmail.test')
define(`QUEUE_DIR', `{dir}/queue')
define(`STATUS_FILE', `{dir}/status')
define(`confPID_FILE', `{dir}/pid')
define(`ALIAS_FILE', `')
define(`confSERVER_CERT', `/etc/ringpost/server.pem')
define(`confSERVER_KEY', `/etc/ringpost/server.key')
define(`confCACERT_PATH', `/etc/ringpost')
define(`confCACERT', `/etc/ringpost/root.pem')
define(`confTLS_SRV_OPTIONS', `V')
define(`confSERVICE_SWITCH_FILE', `{dir}/service.switch')
FEATURE(`no_default_msa')
FEATURE(`accept_unresolvable_domains')
FEATURE(`accept_unqualified_senders')
FEATURE(`promiscuous_relay')
FEATURE(`nocanonify')
FEATURE(`delay_checks')
DAEMON_OPTIONS(`Port={port}, Addr=127.0.0.1, Name=MTA')
MAILER(`local')
MAILER(`smtp')
MAILER_DEFINITIONS
Mstore, P={store}, F=lmn89:|/@qSC, S=EnvFromL, R=EnvToL, L=0, E=\\r\\n, T=DNS/RFC822/X-Unix,
\tA={store} {dir}/mail $u
LOCAL_RULE_0
R$+ <@ $+ >\t\t$#store $: $1@$2
"""

QUEUE_ID = re.compile(rb"(X-MIME-Autoconverted: [^\r]*) id \w+")

STORE = """#!/bin/sh
# store DIR RECIPIENT...: what comes in becomes a file of DIR, the recipients on its first line
dir=$1; shift
umask 0
file=$(mktemp "$dir/tmp.XXXXXXXX") || exit 75
{ echo "$@"; cat; } >"$file" && mv "$file" "$dir/done.${file##*.}" || exit 75
"""


class Sendmail:
    name = "sendmail"
    chunking = False
    lmtp = False

    @staticmethod
    def is_here():
        return True

    def __init__(self, stage, **_):
        self.host, self.port = "127.0.0.1", e2e.free_port()
        package = os.path.join(root.PEERS, self.name)
        folder = stage.path(self.name)
        mc = MC.format(cf="%s/usr/share/sendmail/cf" % package, dir=folder, port=self.port,
                       store="/usr/local/bin/ringpost-store")
        m4 = subprocess.run(["m4", "-"], input=mc.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if m4.returncode != 0:
            raise e2e.Failure("m4: %s" % m4.stderr.decode(errors="replace"))
        # It waits a minute for a name with a dot, unless it has one.
        hosts = "127.0.0.1 localhost\n127.0.1.1 sendmail.test %s\n" % os.uname().nodename
        self.root = root.Rooted(stage, self.name, {
            "etc/hosts": hosts, "etc/mail/sendmail.cf": m4.stdout.decode(), "usr/local/bin/ringpost-store": STORE,
            **root.server_pair(),
        }, users=["smmta", "smmsp"])
        os.chmod(os.path.join(self.root.extra, "usr/local/bin/ringpost-store"), 0o755)
        for name in ("mail", "queue"):
            os.makedirs(os.path.join(folder, name))
            os.chmod(os.path.join(folder, name), 0o777)
        with open(os.path.join(folder, "service.switch"), "w", encoding="ascii") as out:
            out.write("hosts files\naliases files\n")
        self.root.start(["/usr/libexec/sendmail/sendmail", "-C", "/etc/mail/sendmail.cf", "-bD", "-q1s"])
        self.root.wait("Sendmail's greeting", lambda: e2e.greets(self.host, self.port))

    def delivered(self):
        """(recipients, content) of everything stored."""
        for rcpts, octets in root.stored(os.path.join(self.root.dir, "mail")):
            # It converts quoted-printable for a mailer that takes 8 bits, and signs that with its queue id.
            yield rcpts, QUEUE_ID.sub(rb"\1 id QUEUEID", root.split_trace(octets, b"received")[1])

    def stop(self):
        self.root.stop()
