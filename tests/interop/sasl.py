"""sasl - AUTH with each mechanism to a real smtpd that asks Cyrus SASL, and to one that asks Dovecot

The smtpd takes mail from whoever is authenticated, and from nobody else: what arrives proves it. With a wrong password
nothing does, and the status is the server's. In clear for mechanisms that do not show the password, in TLS for the others.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import smtplib
import subprocess
import sys
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import engine  # noqa: E402
import postfix_instance  # noqa: E402
import tap  # noqa: E402
from peers import root  # noqa: E402

PKI = os.path.join(ROOT, "tests", "unit", "crypto", "pki")
DOMAIN = "sasl.test"
USER, REALM, PASSWORD = "user", "realm.test", "a pass:word with 'blanks' and \u00fc"
HASHED = ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5")
SHOWN = ("PLAIN", "LOGIN")
RISKY = ("DIGEST-MD5",)
TOKENS = ("XOAUTH2", "OAUTHBEARER")
MESSAGE = b"From: a@sender.test\r\nSubject: it is me\r\n\r\nbody\r\n"
DOVECOT = """
protocols =
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
ssl = no
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 digest-md5 xoauth2 oauthbearer
auth_username_chars =
disable_plaintext_auth = no
auth_failure_delay = 0
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = /etc/dovecot/oauth2.conf
}}
passdb {{
  driver = passwd-file
  mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 digest-md5
  args = scheme=PLAIN username_format=%u /etc/dovecot/passwd
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={dir}/home
}}
service auth {{
  unix_listener {dir}/auth {{
    mode = 0666
  }}
}}
"""
OAUTH2 = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix=/etc/dovecot/keys/
username_attribute = sub
"""


def b64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def token(key, name):
    """RFC 7519, HS256."""
    now = int(time.time())
    head = b64url(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = b64url(json.dumps({"sub": name, "iat": now - 5, "exp": now + 3600}).encode())
    return "%s.%s.%s" % (head, body, b64url(hmac.digest(key, ("%s.%s" % (head, body)).encode(), hashlib.sha256)))


def receiver(stage, name, parameters):
    return stage.add(postfix_instance.receiver(stage.path(name), [DOMAIN], overrides={
        "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_security_options": "noanonymous", "smtpd_tls_security_level": "may",
        "smtpd_tls_cert_file": os.path.join(PKI, "server.pem"), "smtpd_tls_key_file": os.path.join(PKI, "server.key"),
        "mynetworks": "192.0.2.1", "smtpd_recipient_restrictions": "permit_sasl_authenticated, reject",
        "smtpd_relay_restrictions": "permit_sasl_authenticated, reject", "smtpd_client_auth_rate_limit": "0", **parameters}))


def cyrus(stage):
    folder = stage.path("sasl")
    os.makedirs(folder)
    database = os.path.join(folder, "sasldb2")
    made = subprocess.run([os.path.join(ROOT, ".deps/sasl/usr/sbin/saslpasswd2"), "-p", "-c", "-f", database, "-u", REALM, USER],
                          input=PASSWORD.encode() + b"\n", stderr=subprocess.PIPE, timeout=20, check=False)
    if made.returncode != 0:
        raise e2e.Failure("saslpasswd2: %s" % made.stderr)
    os.chmod(database, 0o644)
    peer = receiver(stage, "cyrus", {"smtpd_sasl_type": "cyrus", "smtpd_sasl_path": "smtpd", "smtpd_sasl_local_domain": REALM})
    # Where Debian's looks for it; the smtpd that has answered already has not seen it.
    os.makedirs(os.path.join(peer.config, "sasl"))
    with open(os.path.join(peer.config, "sasl", "smtpd.conf"), "w", encoding="ascii") as f:
        f.write("pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: %s\nmech_list: %s\n" %
                (database, " ".join(HASHED + SHOWN + RISKY)))
    peer.reload()
    return peer


def dovecot(stage, key):
    files = {
        "etc/dovecot/dovecot.conf": DOVECOT.format(dir=stage.path("dovecot")),
        "etc/dovecot/oauth2.conf": OAUTH2,
        "etc/dovecot/keys/default/HS256/default": base64.b64encode(key).decode(),
        # A colon would end the field.
        "etc/dovecot/passwd": "%s:{PLAIN.b64}%s:::::\n" % (USER, base64.b64encode(PASSWORD.encode()).decode()),
    }
    server = stage.add(root.Rooted(stage, "dovecot", files, users=["dovecot", "dovenull"]))
    server.start(["/usr/sbin/dovecot", "-F", "-c", "/etc/dovecot/dovecot.conf"])
    path = os.path.join(server.dir, "auth")
    server.wait("Dovecot's socket", lambda: os.path.exists(path))
    return receiver(stage, "viadovecot", {"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": path})


def passwd(stage, name, text):
    path = stage.path(name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, 0o600)
    return path


COUNT = 0


def talk(stage, t, claim, peer, mech, secret, want, user=USER, in_tls=False, **more):
    """One message with this mechanism and no other."""
    global COUNT
    COUNT += 1
    hop = "[127.0.0.1]:%d" % peer.port
    one = stage.add(engine.Engine(stage, {
        "relayhost": hop, "worker_threads": "1", "smtp_sasl_auth_enable": "yes", "smtp_sasl_mechanism_filter": mech,
        "smtp_sasl_password_maps": "texthash:" + passwd(stage, "passwd%d" % COUNT, "%s %s:%s\n" % (hop, user, secret)),
        "smtp_sasl_security_options": "noanonymous", "minimal_backoff_time": "1000s", "smtp_sasl_tls_security_options": "noanonymous",
        "smtp_tls_security_level": "encrypt" if in_tls else "none", "smtp_line_length_limit": "0", **more}, "engine%d" % COUNT))
    one.start()
    with smtplib.SMTP(one.host, one.port, local_hostname="client.test", timeout=20) as client:
        client.sendmail("a@sender.test", ["b%d@%s" % (COUNT, DOMAIN)], MESSAGE)

    def line():
        with open(one.log, "rb") as f:
            return re.search(rb"to=<b%d@.*status=.*" % COUNT, f.read())
    e2e.wait_for("an outcome", line, 30, 0.05)
    said = line()[0].decode(errors="replace")
    t.ok(want in said, "%s%s" % (claim, " in TLS" if in_tls else ""), said)
    one.stop()


def each(stage, t, peer, name, user, mechs):
    for mech in mechs:
        talk(stage, t, "%s: %s" % (name, mech), peer, mech, PASSWORD, "status=sent", user, mech in SHOWN)
    talk(stage, t, "%s: the strongest of all that are offered" % name, peer, "", PASSWORD, "status=sent", user)
    talk(stage, t, "%s: PLAIN with an authorisation id" % name, peer, "PLAIN", PASSWORD, "status=sent", user, True,
         send_cyrus_sasl_authzid="yes")
    for mech in ("SCRAM-SHA-256", "PLAIN"):
        talk(stage, t, "%s: %s with a wrong password waits" % (name, mech), peer, mech, "wrong", "dsn=4.7.8", user, mech in SHOWN)


def cyrus_part(stage, t):
    peer = cyrus(stage)
    each(stage, t, peer, "Cyrus", USER + "@" + REALM, HASHED + SHOWN + RISKY)


def dovecot_part(stage, t):
    key = b"a key of thirty-two octets, ours"
    peer = dovecot(stage, key)
    each(stage, t, peer, "Dovecot", USER, HASHED + SHOWN)
    path = passwd(stage, "token", token(key, USER) + "\n")
    bad = passwd(stage, "bad-token", token(b"another key", USER) + "\n")
    for mech in TOKENS:
        talk(stage, t, "Dovecot: " + mech, peer, mech, "oauth2:" + path, "status=sent", USER, True)
        talk(stage, t, "Dovecot: %s with a token of somebody else waits" % mech, peer, mech, "oauth2:" + bad, "dsn=4.7", USER, True)


def main():
    t = tap.Tap("sasl")
    with e2e.Stage("sasl") as stage:
        for part in (cyrus_part, dovecot_part):
            if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
                t.case(part.__name__ + " ran to its end", part, stage, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
