"""injection - clients from outside with another TLS library (Python's ssl, openssl s_client): STARTTLS, TLS from the first
octet, AUTH, PROXY headers

    each version of TLS, messages octet for octet, what Received and the log say of them
    octets behind STARTTLS, renegotiation; AUTH in clear, with each mechanism, with the wrong password
    files that are no good, at start and on HUP; a canary password that no file has
"""

import base64
import hashlib
import hmac
import os
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import tap  # noqa: E402
import tls  # noqa: E402  (its servers, and its ways to ask the engine)

PASSWORD = "canary-4711 pass:wörd".replace(":", "")
USERS = "ann:{PLAIN}%s\nbob:{SCRAM-SHA-256}%s\n"


def verifier(password):
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 4096)
    client, server = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
    return "4096," + ",".join(base64.b64encode(x).decode() for x in (salt, hashlib.sha256(client).digest(), server))


def context(version=None, trust="root.pem"):
    c = ssl.create_default_context(cafile=tls.pki(trust))
    c.check_hostname = False
    if version:
        c.minimum_version = c.maximum_version = version
    return c


def play(stage, parameters=None, users=None):
    """An engine with all of it; loopback is a stranger unless parameters say otherwise."""
    folder = stage.path("files%d" % tls.COUNT)
    os.makedirs(folder)
    paths = {name: os.path.join(folder, name) for name in ("cert", "key", "users")}
    shutil.copy(tls.pki("server2_chain.pem"), paths["cert"])
    shutil.copy(tls.pki("server2.key"), paths["key"])
    with open(paths["users"], "w", encoding="utf-8") as f:
        f.write(users or USERS % (PASSWORD, verifier(PASSWORD)))
    smtps = e2e.free_port()
    one, peer = tls.play(stage, {
        "mynetworks": "192.0.2.0/24", "smtpd_tls_security_level": "may", "smtpd_tls_cert_file": paths["cert"],
        "smtpd_tls_key_file": paths["key"], "inject_smtps_listen": "127.0.0.1:%d" % smtps, "smtpd_tls_loglevel": "1",
        "smtpd_sasl_auth_enable": "yes", "inject_smtp_password_file": paths["users"], "smtpd_error_sleep_time": "0s",
        "worker_threads": "2", **(parameters or {})}, offer=False)
    return one, peer, smtps, paths


def clear(one):
    return smtplib.SMTP(one.host, one.port, local_hostname="client.test", timeout=20)


def secure(one, **kw):
    client = clear(one)
    client.starttls(context=context(**kw))
    return client


def scram(client, user, password, bend=""):
    first = "n=%s,r=%s" % (user, base64.b64encode(os.urandom(12)).decode())
    code, text = client.docmd("AUTH", "SCRAM-SHA-256 " + base64.b64encode(("n,," + first).encode()).decode())
    if code != 334:
        return code
    challenge = base64.b64decode(text).decode()
    nonce, salt, rounds = (x[2:] for x in challenge.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
    key = hmac.digest(salted, b"Client Key", "sha256")
    last = "c=biws,r=" + nonce + bend
    message = ",".join((first, challenge, last)).encode()
    mac = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, mac))).decode()
    code, text = client.docmd(base64.b64encode((last + ",p=" + proof).encode()).decode())
    if code != 334:
        return code
    want = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
    assert base64.b64decode(text) == b"v=" + base64.b64encode(want), "the server does not know the secret"
    return client.docmd("")[0]


def plain(client, user, password, mech="PLAIN"):
    if mech == "PLAIN":
        return client.docmd("AUTH", "PLAIN " + base64.b64encode(("\0%s\0%s" % (user, password)).encode()).decode())[0]
    client.docmd("AUTH", "LOGIN")
    client.docmd(base64.b64encode(user.encode()).decode())
    return client.docmd(base64.b64encode(password.encode()).decode())[0]


def versions(stage, t):
    one, peer, smtps, _ = play(stage, {"mynetworks": "127.0.0.0/8"})
    sent = 0
    for version, word in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        for wrapped in (False, True):
            name = "b%d@example.org" % sent
            client = smtplib.SMTP_SSL(one.host, smtps, "client.test", timeout=20, context=context(version)) \
                if wrapped else secure(one, version=version)
            with client:
                client.sendmail("a@sender.test", [name], tls.BIG)
                client.sendmail("a@sender.test", [name], tls.MESSAGE)
            sent += 2
            tls.wait_line(one, "to=<%s>" % name, "status=sent")
            e2e.wait_for("both messages", lambda: len(peer.messages) == sent, 20)
            both = sorted((m[1] for m in peer.messages[-2:]), key=len)
            good = all(want in got for want, got in zip((tls.MESSAGE, tls.BIG), both))
            t.ok(good, "%s, %s: messages arrive octet for octet" % (word, "wrapped" if wrapped else "STARTTLS"))
            t.ok(all(b" with ESMTPS id " in m for m in both), "and say ESMTPS")
            t.ok(tls.log_lines(one, "Anonymous TLS connection established from unknown[127.0.0.1]: " + word),
                 "and the log says how")
    with clear(one) as client:
        client.ehlo()
        t.ok("starttls" in client.esmtp_features and "auth" not in client.esmtp_features, "AUTH is not offered in clear")
        t.ok(client.docmd("AUTH", "PLAIN AGEAYg==")[0] == 502, "LIS-04: nor taken")
    raw = socket.create_connection((one.host, one.port), timeout=20)
    raw.recv(512)
    raw.sendall(b"EHLO x\r\n")
    raw.recv(4096)
    raw.sendall(b"STARTTLS\r\nMAIL FROM:<a@b>\r\n")
    answer = b""
    while chunk := raw.recv(512):
        answer += chunk
    t.ok(answer.startswith(b"503 5.5.0") and b"220" not in answer, "LIS-04: a command behind STARTTLS ends it", repr(answer))
    t.ok(one.stop() == 0, "and TERM ends it with 0")


def renegotiation(stage, t):
    one, _, smtps, _ = play(stage)
    done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % smtps, "-tls1_2", "-legacy_renegotiation"],
                          input=b"R\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, check=False)
    t.ok(b"RENEGOTIATING" in done.stdout and done.returncode != 0, "LIS-04: renegotiation is refused",
         done.stdout[-600:].decode(errors="replace"))
    done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % smtps, "-tls1_1", "-cipher",
                           "DEFAULT@SECLEVEL=0"], input=b"", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20,
                          check=False)
    t.ok(done.returncode != 0, "TLS 1.1 is not spoken")
    t.ok(one.stop() == 0, "and TERM ends it with 0")


def passwords(stage, t):
    one, peer, _, paths = play(stage)
    for user in ("ann", "bob"):
        for way in ("PLAIN", "LOGIN", "SCRAM-SHA-256"):
            for password, want in ((PASSWORD, 235), (PASSWORD + "x", 535)):
                with secure(one) as client:
                    client.ehlo()
                    code = scram(client, user, password) if way[0] == "S" else plain(client, user, password, way)
                    t.ok(code == want, "%s as %s: %d" % (way, user, want), str(code))
                    refused = client.sendmail if code == 235 else None
                    if refused:
                        client.sendmail("a@sender.test", ["b@example.org"], tls.MESSAGE)
                    else:
                        client.mail("a@sender.test")
                        t.ok(client.rcpt("b@example.org")[0] == 554, "and may not relay")
    e2e.wait_for("six messages", lambda: len(peer.messages) == 6, 20)
    t.ok(all(b" with ESMTPSA id " in m[1] for m in peer.messages), "messages say ESMTPSA")
    t.ok(tls.log_lines(one, "sasl_method=SCRAM-SHA-256, sasl_username=bob"), "and the log says who")
    with secure(one) as client:
        client.ehlo()
        t.ok(client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN", "SCRAM-SHA-256"], "three are offered")
        t.ok(scram(client, "nobody", PASSWORD) == 535 and scram(client, "bob", PASSWORD, ",x=y") == 235,
             "a user who is not there gets as far as the others")
    with secure(one) as client:
        client.ehlo()
        t.ok([plain(client, "ann", "x") for _ in range(2)] == [535, 535], "two tries")
        client.putcmd("AUTH", "PLAIN " + base64.b64encode(b"\0ann\0x").decode())
        lines = client.file.read()
        t.ok(lines.startswith(b"535") and b"421 4.7.0" in lines, "the third is the last", repr(lines))
    reloads(one, t, paths)
    t.ok(one.stop() == 0, "and TERM ends it with 0")
    where = [path for folder, _, files in os.walk(one.dir) for path in (os.path.join(folder, f) for f in files)]
    needles = [PASSWORD.encode(), base64.b64encode(b"\0ann\0" + PASSWORD.encode())[8:-4]]
    found = []
    for path in where:
        with open(path, "rb") as f:
            content = f.read()
        found += [path for needle in needles if needle in content]
    t.ok(len(where) > 4 and not found, "no file of the engine has the password", repr(found))


def reloads(one, t, paths):
    """HUP: others from now on; what is no good changes nothing."""
    with open(paths["users"], "a", encoding="utf-8") as f:
        f.write("eve:{MD9}x\n")
    os.kill(one.process.pid, signal.SIGHUP)
    tls.wait_line(one, "users stay as they were: inject_smtp_password_file: %s: line 3: a scheme" % paths["users"])
    with secure(one) as client:
        client.ehlo()
        t.ok(plain(client, "ann", PASSWORD) == 235, "users of before stay when a file is no good")
    with open(paths["users"], "w", encoding="utf-8") as f:
        f.write("eve:{PLAIN}new one\n")
    shutil.copy(tls.pki("pinned.pem"), paths["cert"])
    os.kill(one.process.pid, signal.SIGHUP)
    tls.wait_line(one, "TLS for injecting clients stays as it was: %s: this key is not" % paths["key"])
    shutil.copy(tls.pki("pinned.key"), paths["key"])
    old = secure(one)
    os.kill(one.process.pid, signal.SIGHUP)

    def is_new():
        try:
            with secure(one, trust="pinned.pem") as client:
                client.ehlo()
                return plain(client, "eve", "new one") == 235
        except (ssl.SSLError, smtplib.SMTPException):
            return False

    e2e.wait_for("the new certificate and user", is_new, 20, 0.1)
    old.ehlo()
    t.ok(plain(old, "ann", PASSWORD) == 535, "users of before are gone, and old sessions live on")
    old.close()


def starts(stage, t):
    """What is no good stops the start, with its name."""
    bad = stage.path("bad")
    with open(bad, "w", encoding="ascii") as f:
        f.write("nothing\n")
    for parameters, words in (
            ({"smtpd_tls_cert_file": "/nonexistent/c.pem"}, "/nonexistent/c.pem: No such file or directory"),
            ({"smtpd_tls_key_file": "/nonexistent/k.pem"}, "/nonexistent/k.pem: No such file or directory"),
            ({"smtpd_tls_key_file": tls.pki("root.key")}, "root.key: this key is not that of the certificate"),
            ({"smtpd_tls_cert_file": bad}, bad + ": no certificate that can be used"),
            ({"smtpd_tls_cert_file": ""}, "smtpd_tls_security_level"),
            ({"smtpd_tls_protocols": "!TLSv1.2, !TLSv1.3"}, "smtpd_tls_protocols leaves no version"),
            ({"inject_smtp_password_file": "/nonexistent/u"}, "inject_smtp_password_file: /nonexistent/u: No such file"),
            ({"inject_smtp_password_file": bad}, "inject_smtp_password_file: %s: line 1: not of the form" % bad),
            ({"inject_smtp_password_file": ""}, "smtpd_sasl_auth_enable")):
        tls.COUNT += 1
        one = stage.add(tls.engine.Engine(stage, {
            "smtpd_tls_security_level": "may", "smtpd_tls_cert_file": tls.pki("server.pem"),
            "smtpd_tls_key_file": tls.pki("server.key"), "smtpd_sasl_auth_enable": "yes",
            "inject_smtp_password_file": tls.pki("make.sh"), **parameters}, "bad%d" % tls.COUNT))
        code, said = one.run()
        t.ok(code == 78 and words in said, "it does not start: " + words, "%d: %s" % (code, said))
        t.ok(one.run(["--check"]) == (code, said), "and --check says the same")


def proxies(stage, t):
    one, _, smtps, _ = play(stage, {"mynetworks": "192.0.2.0/24", "inject_smtp_proxy_protocol": "127.0.0.2"})
    for number, source, want in ((4, "192.0.2.9", 250), (4, "198.51.100.7", 554), (6, "2001:db8::7", 554)):
        raw = socket.create_connection((one.host, smtps), timeout=20, source_address=("127.0.0.2", 0))
        family = socket.AF_INET6 if number == 6 else socket.AF_INET
        addresses = socket.inet_pton(family, source) + socket.inet_pton(family, "::1" if number == 6 else "127.0.0.1")
        raw.sendall(b"\r\n\r\n\0\r\nQUIT\n\x21" + (b"\x21\x00\x24" if number == 6 else b"\x11\x00\x0c") + addresses +
                    b"\x30\x39\x01\xd1")
        client = smtplib.SMTP(timeout=20, local_hostname="client.test")
        client.sock = context().wrap_socket(raw)
        client.file = None
        client.getreply()
        client.ehlo()
        client.mail("a@sender.test")
        t.ok(client.rcpt("b@example.org")[0] == want, "a client at %s gets %d" % (source, want))
        client.quit()
    tls.wait_line(one, "reject: RCPT from unknown[2001:db8::7]: 554")
    t.ok(one.stop() == 0, "and TERM ends it with 0")


def everything(stage, t):
    for part in (versions, renegotiation, passwords, starts, proxies):
        if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
            t.case(part.__name__ + " ran to its end", part, stage, t)


def main():
    t = tap.Tap("injection")
    with e2e.Stage("injection") as stage:
        t.case("the run came to its end", everything, stage, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
