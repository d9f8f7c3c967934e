"""tls - STARTTLS and wrapper mode against servers that use OpenSSL (Python's ssl), certificates of tests/unit/crypto/pki

    every level: what is delivered, what waits, with which code, and what the log says
    what a server said before TLS is forgotten; octets behind its reply to STARTTLS end it
    a handshake that fails: in clear at once for a message that has waited, and never where TLS is demanded
    client certificates, SNI, close_notify, files that cannot be read, and new ones on HUP
    sessions are resumed, not after HUP, and with no server that has forgotten
    REQUIRETLS: asked for by an injector inside TLS, kept over a restart, passed on, and never done without
    TLS reports: counted on all cores, kept over a restart, mailed to whom DNS names, once
"""

import email
import glob
import json
import os
import shutil
import signal
import smtplib
import ssl
import sys
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import engine  # noqa: E402
import tap  # noqa: E402
import threaded  # noqa: E402
import world  # noqa: E402

PKI = os.path.join(ROOT, "tests", "unit", "crypto", "pki")
MESSAGE = b"From: a@sender.test\r\nSubject: in private\r\n\r\nbody\r\n"
BIG = b"From: a@sender.test\r\nSubject: more\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * 100 + \
    b"".join(b"line %d of many, and it goes on and on and on\r\n" % i for i in range(20000))


def pki(name):
    return os.path.join(PKI, name)


class Server(threaded.Server):
    """One mail exchanger that does what it is told. Everything that is said to it, and how, is kept."""

    def __init__(self, address, port, chain="server.pem", key="server.key", offer=True, wrapped=False, reply=b"220 go",
                 version=None, caps_clear=b"", caps_tls=b"", client_ca=None, handshake=True, cut_after_ehlo=False,
                 ciphers=None, delay=0):
        self.__dict__.update(locals())
        self.commands, self.messages, self.names, self.certificates, self.resumed = [], [], [], [], []
        self.goodbyes = self.connections = self.tls_connections = 0
        self.forget()
        self.listen(address, port)

    def forget(self):
        """No session from before can be resumed."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pki(self.chain), pki(self.key))
        self.context.sni_callback = lambda sock, name, context: self.names.append(name)
        if self.version:
            self.context.minimum_version = self.context.maximum_version = self.version
        if self.client_ca:
            self.context.verify_mode = ssl.CERT_OPTIONAL
            self.context.load_verify_locations(pki(self.client_ca))
        if self.ciphers:
            self.context.set_ciphers(self.ciphers)

    def serve(self, conn):
        self.connections += 1
        try:
            with conn:
                self._talk(conn, self.wrapped)
        except (OSError, ssl.SSLError, ValueError):
            pass

    def _start_tls(self, conn):
        if not self.handshake:
            conn.recv(5)
            conn.sendall(b"this is no TLS record\r\n")
            return None
        tls = self.context.wrap_socket(conn, server_side=True)
        tls.suppress_ragged_eofs = False
        self.tls_connections += 1
        self.certificates.append(tls.getpeercert(True))
        self.resumed.append(tls.session_reused)
        return tls

    def _talk(self, conn, in_tls):
        if in_tls:
            conn = self._start_tls(conn)
            if conn is None:
                return
        time.sleep(self.delay)
        conn.sendall(b"220 mx.example.org ESMTP\r\n")
        while self._dialogue(conn, in_tls) == "starttls":
            conn = self._start_tls(conn)
            in_tls = True
            if conn is None:
                return

    def _dialogue(self, conn, in_tls):
        lines = conn.makefile("rb")
        while True:
            try:
                line = lines.readline()
            except ssl.SSLEOFError:
                return "cut"
            if not line:
                self.goodbyes += in_tls
                return "end"
            self.commands.append((in_tls, line.strip()))
            verb = line[:4].upper()
            if verb == b"EHLO":
                if in_tls and self.cut_after_ehlo:
                    return "cut"
                caps = self.caps_tls if in_tls else self.caps_clear + (b"250-STARTTLS\r\n" if self.offer else b"")
                conn.sendall(b"250-mx.example.org\r\n" + caps + b"250 PIPELINING\r\n")
            elif verb == b"STAR":
                conn.sendall(self.reply + b"\r\n")
                if self.reply.startswith(b"2"):
                    return "starttls"
            elif verb == b"DATA":
                conn.sendall(b"354 go\r\n")
                content = b""
                while not content.endswith(b"\r\n.\r\n"):
                    content += lines.readline()
                self.messages.append((in_tls, content))
                conn.sendall(b"250 2.0.0 taken\r\n")
            elif verb == b"QUIT":
                conn.sendall(b"221 bye\r\n")
            else:
                conn.sendall(b"250 ok\r\n")

    def said(self, verb):
        return [in_tls for in_tls, line in self.commands if line.upper().startswith(verb)]


def log_lines(one, *words):
    with open(one.log, errors="replace") as f:
        return [line.rstrip() for line in f if all(word in line for word in words)]


def wait_line(one, *words):
    e2e.wait_for("a line with " + " ".join(words), lambda: log_lines(one, *words), 20, 0.05)


def send(one, rcpt="b@example.org", message=MESSAGE):
    with smtplib.SMTP(one.host, one.port, local_hostname="client.test", timeout=20) as client:
        client.sendmail("a@sender.test", [rcpt], message)


COUNT = 0


def play(stage, parameters, **server):
    """An engine, DNS, and mx.example.org for example.org. Parameters that are empty are left out."""
    global COUNT
    COUNT += 1
    net, zone = world.Net(), world.Zone()
    zone.mx("example.org", (10, zone.host("mx.example.org", net.address(1))))
    dns = stage.add(world.Dns(stage, zone))
    peer = stage.add(Server(net.address(1), net.port, **server))
    one = stage.add(engine.Engine(stage, {"dns_servers": dns.endpoint, "smtp_tcp_port": str(net.port),
                                          "minimal_backoff_time": "2s", "maximal_backoff_time": "2s",
                                          "worker_threads": "1", "smtp_tls_loglevel": "1", **parameters},
                                  "engine%d" % COUNT))
    one.start()
    return one, peer


def outcome(stage, t, claim, parameters, want, in_tls=True, log=(), **server):
    """One message: want is "sent", or the status it is deferred or bounced with."""
    one, peer = play(stage, parameters, **server)
    send(one)
    if want == "sent":
        wait_line(one, "to=<b@example.org>", "status=sent")
        good = len(peer.messages) == 1 and peer.messages[0][0] == in_tls
    else:
        wait_line(one, "to=<b@example.org>", "dsn=" + want)
        good = not peer.messages and not peer.said(b"MAIL")
    for words in log:
        good = good and log_lines(one, *words)
    t.ok(good, claim, "\n".join(log_lines(one, "smtp")) + "\n" + repr(peer.commands))
    t.ok(one.stop() == 0, "and TERM ends it with 0")
    counted(t, one, claim)
    return peer


def counted(t, one, claim):
    """Every session in TLS has one version, one verdict, one level and one suite; whatever failed has a reason."""
    sums = one.metrics()
    kinds = {sums["ringpost_tls_%s_total" % kind] for kind in ("sessions", "version", "verdict", "level", "cipher")}
    with open(one.metrics_path, encoding="utf-8") as lines:
        others = [line for line in lines if 'cipher="other"' in line]
    t.ok(len(kinds) == 1 and others[0].endswith(" 0\n"), "and the figures agree (%s)" % claim, repr(sums))


SECURE = {"smtp_tls_CAfile": pki("root.pem")}


def levels(stage, t):
    may, encrypt, verify, secure = ({"smtp_tls_security_level": level} for level in ("may", "encrypt", "verify", "secure"))
    for version, word in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        peer = outcome(stage, t, "case 201: may, " + word, may, "sent", version=version, caps_clear=b"250-SIZE 100\r\n",
                       log=[("Untrusted TLS connection established to mx.example.org[", word + " with cipher ")])
        t.ok(peer.said(b"EHLO") == [False, True], "a second EHLO inside TLS", repr(peer.commands))
        t.ok(peer.goodbyes == 1, "case 249: close_notify is said")
    outcome(stage, t, "case 202: may, not offered", may, "sent", in_tls=False, offer=False)
    outcome(stage, t, "case 203: none, offered, noted", {"smtp_tls_security_level": "none",
            "smtp_tls_note_starttls_offer": "yes"}, "sent", in_tls=False,
            log=[("Host offered STARTTLS: [mx.example.org]",)])
    outcome(stage, t, "case 204: encrypt, not offered", encrypt, "4.7.4", offer=False,
            log=[("TLS is required, but was not offered by host mx.example.org[",)])
    outcome(stage, t, "case 207: may, refused", may, "sent", in_tls=False, reply=b"454 4.7.0 not now")
    outcome(stage, t, "case 205: encrypt, refused for now", encrypt, "4.7.0", reply=b"454 4.7.0 not now")
    outcome(stage, t, "case 206: encrypt, refused for good", encrypt, "5.5.1", reply=b"502 5.5.1 unknown")
    outcome(stage, t, "case 224: encrypt, expired", encrypt, "sent", chain="expired.pem", key="expired.key")
    outcome(stage, t, "case 225: verify", {**verify, **SECURE}, "sent",
            log=[("Verified TLS connection established to mx.example.org[",)])
    outcome(stage, t, "verify, expired", {**verify, **SECURE}, "4.7.5", chain="expired.pem", key="expired.key",
            log=[("server certificate verification failed for mx.example.org[", "certificate has expired")])
    peer = outcome(stage, t, "case 226: verify, another name", {**verify, **SECURE,
                   "smtp_tls_verify_cert_match": "other.test"}, "4.7.5", log=[("certificate of", "not verified")])
    t.ok(peer.said(b"QUIT") == [True], "the session is ended with QUIT", repr(peer.commands))
    outcome(stage, t, "row TLS-01: verify, below a clone of the root", {**verify, **SECURE}, "4.7.5",
            chain="below_clone_chain.pem", key="below_clone.key")
    outcome(stage, t, "case 227: secure, a name below the next hop", {**secure, **SECURE}, "sent")
    outcome(stage, t, "secure, nobody is trusted", secure, "4.7.5")
    anchored = {**secure, "smtp_tls_CAfile": pki("other_root.pem"), "smtp_tls_trust_anchor_file": pki("inter.pem")}
    outcome(stage, t, "case 250: secure, by an anchor file", anchored, "sent", chain="server2.pem", key="server2.key",
            log=[("Verified TLS connection established to mx.example.org[",)])
    outcome(stage, t, "case 250: and nobody else is trusted then", {**anchored, **SECURE}, "4.7.5")
    outcome(stage, t, "an anchor file that is not there", {**secure, "smtp_tls_trust_anchor_file": "/nonexistent/a.pem"},
            "4.7.5", log=[("smtp_tls_trust_anchor_file: /nonexistent/a.pem: No such file",)])
    outcome(stage, t, "case 213: encrypt, no handshake", encrypt, "4.7.5", handshake=False,
            log=[("Cannot start TLS", "handshake failure")])
    outcome(stage, t, "case 251: encrypt, TLS 1.3 only", {**encrypt, "smtp_tls_mandatory_protocols": ">=TLSv1.3"},
            "4.7.5", version=ssl.TLSVersion.TLSv1_2)
    # Acceptable at may it would be; but the library has no such suite: there it is a handshake that fails, as any other.
    for level in (may, {**verify, **SECURE}):
        outcome(stage, t, "case 246: %s, and the server is anonymous" % level["smtp_tls_security_level"], level, "4.7.5",
                version=ssl.TLSVersion.TLSv1_2, ciphers="aNULL:@SECLEVEL=0")
    outcome(stage, t, "case 217: something behind 220", encrypt, "4.7.0", reply=b"220 go\r\n250 fake")
    outcome(stage, t, "the same at may", may, "4.7.0", reply=b"220 go\r\n250 fake")
    outcome(stage, t, "case 300: dane without DNSSEC", {"smtp_tls_security_level": "dane"}, "sent",
            log=[("DANE is not to be had: smtp_dns_support_level is not dnssec; level may is used",)])
    outcome(stage, t, "case 300: dane-only without DNSSEC", {"smtp_tls_security_level": "dane-only"}, "4.7.5")


def fingerprint_of(name):
    with open(pki(name), encoding="ascii") as f:
        import hashlib
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()


def fingerprints(stage, t):
    level = {"smtp_tls_security_level": "fingerprint"}
    print_ = fingerprint_of("expired.pem")
    outcome(stage, t, "case 235: the certificate's fingerprint", {**level, "smtp_tls_fingerprint_cert_match": print_},
            "sent", chain="expired.pem", key="expired.key", log=[("Verified TLS connection",)])
    outcome(stage, t, "another's", {**level, "smtp_tls_fingerprint_cert_match": print_}, "4.7.5")
    peer = outcome(stage, t, "case 236: none", level, "4.7.5")
    t.ok(peer.connections == 0, "the host is not contacted")
    outcome(stage, t, "case 237: an unknown digest at may", {"smtp_tls_security_level": "may",
            "smtp_tls_fingerprint_digest": "nosuch"}, "sent", in_tls=False)


def files(stage, t):
    lost = {"smtp_tls_CAfile": "/nonexistent/ca.pem"}
    outcome(stage, t, "case 238: CAfile unreadable, may", {"smtp_tls_security_level": "may", **lost}, "sent", in_tls=False,
            log=[("TLS is not to be had: /nonexistent/ca.pem",)])
    outcome(stage, t, "case 238: the same, encrypt", {"smtp_tls_security_level": "encrypt", **lost}, "4.7.5")
    outcome(stage, t, "case 240: the key of another certificate", {"smtp_tls_security_level": "encrypt",
            "smtp_tls_cert_file": pki("server.pem"), "smtp_tls_key_file": pki("root.key")}, "4.7.5")
    peer = outcome(stage, t, "case 239: our certificate", {"smtp_tls_security_level": "encrypt",
                   "smtp_tls_cert_file": pki("client_pair.pem")}, "sent", client_ca="root.pem")
    t.ok(peer.certificates[0] is not None, "it has been shown")
    peer = outcome(stage, t, "case 242: chain files go before it", {"smtp_tls_security_level": "encrypt",
                   "smtp_tls_chain_files": pki("client_pair.pem"), "smtp_tls_cert_file": "/nonexistent/cert.pem"}, "sent",
                   client_ca="root.pem")
    t.ok(peer.certificates[0] is not None, "theirs has been shown")
    outcome(stage, t, "case 241: a DSA pair does not matter", {"smtp_tls_security_level": "encrypt",
            "smtp_tls_dcert_file": "/nonexistent/dsa.pem"}, "sent")


def names(stage, t):
    for value, name in (("hostname", "mx.example.org"), ("nexthop", "example.org"), ("sni.example", "sni.example"),
                        ("", None)):
        peer = outcome(stage, t, "case 253: servername %s" % (value or "empty"),
                       {"smtp_tls_security_level": "encrypt", "smtp_tls_servername": value}, "sent")
        t.ok(peer.names == [name], "SNI is as it should be", repr(peer.names))
    outcome(stage, t, "case 271: wrapper mode", {"smtp_tls_security_level": "encrypt", "smtp_tls_wrappermode": "yes"},
            "sent", wrapped=True)
    outcome(stage, t, "row TLS-18: wrapper mode, and clear text", {"smtp_tls_security_level": "encrypt",
            "smtp_tls_wrappermode": "yes"}, "4.7.5")
    outcome(stage, t, "wrapper mode needs encrypt", {"smtp_tls_security_level": "may", "smtp_tls_wrappermode": "yes"},
            "4.7.5")
    outcome(stage, t, "case 258: the table says may", {"smtp_tls_security_level": "encrypt",
            "smtp_tls_policy_maps": "inline:{example.org=may}"}, "sent", in_tls=False, offer=False)
    outcome(stage, t, "case 259: what the table says is no policy", {"smtp_tls_security_level": "may",
            "smtp_tls_policy_maps": "inline:{{example.org = encrypt protocls=TLSv1.2}}"}, "4.7.5")


def fallback(stage, t):
    """A message that has waited for minimal_backoff_time goes in clear, where it may."""
    one, peer = play(stage, {"smtp_tls_security_level": "may"}, handshake=False)
    send(one)
    wait_line(one, "to=<b@example.org>", "dsn=4.7.5", "status=deferred")
    t.ok(not peer.messages, "case 209: not at the first try")
    wait_line(one, "to=<b@example.org>", "status=sent")
    t.ok([m[0] for m in peer.messages] == [False], "case 208: in clear, at the second")
    t.ok(one.stop() == 0, "and TERM ends it with 0")
    one, peer = play(stage, {"smtp_tls_security_level": "may"}, cut_after_ehlo=True)
    send(one)
    wait_line(one, "to=<b@example.org>", "status=deferred")
    wait_line(one, "to=<b@example.org>", "status=sent")
    t.ok([m[0] for m in peer.messages] == [False], "case 214: the same when the connection is lost in TLS")
    t.ok(one.stop() == 0, "and TERM ends it with 0")


def much(stage, t):
    for reuse in ("no", "yes"):
        one, peer = play(stage, {"smtp_tls_security_level": "encrypt", "smtp_tls_connection_reuse": reuse,
                                 "smtp_connection_cache_destinations": "example.org"})
        for i in range(3):
            send(one, "b%d@example.org" % i, BIG)
            wait_line(one, "to=<b%d@example.org>" % i, "status=sent")
        good = all(BIG in content for _, content in peer.messages) and len(peer.messages) == 3
        t.ok(good, "a megabyte, three times, octet for octet (reuse: %s)" % reuse)
        t.ok(peer.tls_connections == (1 if reuse == "yes" else 3), "over as many connections as it should be",
             str(peer.tls_connections))
        t.ok(one.stop() == 0, "and TERM ends it with 0")


def resumed(stage, t):
    """OpenSSL's tickets, and what it does with those that it does not know."""
    for version, word in ((ssl.TLSVersion.TLSv1_3, "TLSv1.3"), (ssl.TLSVersion.TLSv1_2, "TLSv1.2")):
        one, peer = play(stage, {"smtp_tls_security_level": "verify", "smtp_tls_loglevel": "2", **SECURE,
                                 "smtp_tls_session_cache_database": "btree:${data_directory}/smtp_scache"}, version=version)

        def go(i):
            send(one, "b%d@example.org" % i)
            wait_line(one, "to=<b%d@example.org>" % i, "status=sent")

        for i in range(3):
            go(i)
        peer.forget()
        for i in range(3, 5):
            go(i)
        t.ok(peer.resumed == [False, True, True, False, True], "%s: sessions are resumed, and a server that has forgotten "
             "shows its certificate" % word, repr(peer.resumed))
        t.ok(len(log_lines(one, "Verified TLS connection established to mx.example.org[")) == 5 and
             len(log_lines(one, "Reusing old session")) == 3, "%s: verified each time (row TLS-09)" % word)
        os.kill(one.process.pid, signal.SIGHUP)
        e2e.wait_for("HUP to be heard", lambda: not (go(5), peer.resumed.pop())[1], 20, 0.2)
        t.ok(peer.resumed[:5] == [False, True, True, False, True], "%s: after HUP, everybody is judged anew" % word)
        t.ok(one.stop() == 0, "and TERM ends it with 0")


def renewed(stage, t):
    """HUP: what the files say now is what new sessions go by; a bad file leaves the old content."""
    ca = os.path.join(stage.path("renewed"), "ca.pem")
    os.makedirs(os.path.dirname(ca))
    shutil.copy(pki("other_root.pem"), ca)
    one, peer = play(stage, {"smtp_tls_security_level": "verify", "smtp_tls_CAfile": ca})
    send(one)
    wait_line(one, "to=<b@example.org>", "dsn=4.7.5")
    with open(ca, "w", encoding="ascii") as f:
        f.write("nothing\n")
    os.kill(one.process.pid, signal.SIGHUP)
    wait_line(one, "TLS is not to be had", "no certificate in it")
    shutil.copy(pki("root.pem"), ca)
    os.kill(one.process.pid, signal.SIGHUP)
    wait_line(one, "to=<b@example.org>", "status=sent")
    t.ok(peer.messages[0][0], "a certificate that HUP has brought is trusted")
    t.ok(one.stop() == 0, "and TERM ends it with 0")
    one, peer = play(stage, {"smtp_tls_security_level": "verify", "smtp_tls_CAfile": pki("root.pem")}, delay=1)
    send(one)
    e2e.wait_for("the connection", lambda: peer.connections, 20, 0.01)
    os.kill(one.process.pid, signal.SIGHUP)
    wait_line(one, "to=<b@example.org>", "status=sent")
    t.ok(peer.messages[0][0], "a session that was being opened goes on with what it was given")
    t.ok(one.stop() == 0, "and TERM ends it with 0")


def required(stage, t):
    """REQUIRETLS from MAIL to MAIL (cases 325, 327), and what the log says of it."""
    mine = {"smtpd_tls_security_level": "may", "smtpd_tls_cert_file": pki("server.pem"),
            "smtpd_tls_key_file": pki("server.key"), "smtp_tls_security_level": "verify", **SECURE}
    one, peer = play(stage, mine, caps_tls=b"250-REQUIRETLS\r\n250-DSN\r\n", handshake=False)
    with smtplib.SMTP(one.host, one.port, local_hostname="client.test", timeout=20) as client:
        client.ehlo()
        t.ok(not client.has_extn("requiretls"), "in clear it is not offered")
        client.starttls()
        client.ehlo()
        t.ok(client.has_extn("requiretls"), "inside TLS it is")
        client.sendmail("a@sender.test", ["b@example.org"], MESSAGE, mail_options=["REQUIRETLS", "RET=FULL"])
    wait_line(one, "to=<b@example.org>", "status=deferred")
    t.ok(one.stop() == 0, "TERM ends it with 0 while nobody speaks TLS")
    peer.handshake = True
    one.start()
    wait_line(one, "to=<b@example.org>", "status=sent", "tls=verify/requiretls")
    said = [line for in_tls, line in peer.commands if in_tls and line.startswith(b"MAIL")]
    t.ok(len(said) == 1 and said[0].endswith(b" RET=FULL REQUIRETLS"), "case 325: it survives, and is passed on", repr(said))
    peer.caps_tls = b"250-DSN\r\n"
    with smtplib.SMTP(one.host, one.port, local_hostname="client.test", timeout=20) as client:
        client.starttls()
        client.sendmail("a@sender.test", ["c@example.org"], MESSAGE, mail_options=["REQUIRETLS"])
    wait_line(one, "to=<c@example.org>", "dsn=5.7.30", "status=bounced", "tls=!verify/!requiretls:none")
    t.ok(len(peer.messages) == 1, "case 327: where it is not offered, nothing goes")
    t.ok(one.stop() == 0, "and TERM ends it with 0")


def play_reports(stage, interval):
    """example.org wants reports, and so does nobody else."""
    global COUNT
    COUNT += 1
    net, zone = world.Net(), world.Zone()
    zone.mx("example.org", (10, zone.host("mx.example.org", net.address(1))))
    zone.mx("quiet.test", (10, "mx.example.org"))
    zone.options.append("--txt-record=_smtp._tls.example.org,v=TLSRPTv1; rua=mailto:reports@example.org")
    dns = stage.add(world.Dns(stage, zone))
    peer = stage.add(Server(net.address(1), net.port))
    one = stage.add(engine.Engine(stage, {"dns_servers": dns.endpoint, "smtp_tcp_port": str(net.port),
                                          "worker_threads": "2", "smtp_tlsrpt_enable": "yes", "tlsrpt_interval": interval,
                                          "mydomain": "sender.test"}, "engine%d" % COUNT))
    one.start()
    return one, peer


def report_mails(peer):
    return [email.message_from_bytes(content) for _, content in peer.messages if b"TLS-Report-Domain" in content]


def reports(stage, t):
    """Cases 318, 319 with names and disks of their own."""
    one, peer = play_reports(stage, "6s")
    send(one)
    send(one, "b@quiet.test")
    wait_line(one, "to=<b@example.org>", "status=sent")
    wait_line(one, "to=<b@quiet.test>", "status=sent")
    t.ok(one.stop() == 0, "TERM ends it with 0, between counting and reporting")
    one.start()
    wait_line(one, "to=<reports@example.org>", "status=sent")
    found = report_mails(peer)
    t.ok(len(found) == 1, "case 318: one report, after a restart", str(len(found)))
    part = found[0].get_payload(1)
    report = json.loads(part.get_payload(decode=True))
    t.ok(found[0].get_param("report-type") == "tlsrpt" and part.get_content_type() == "application/tlsrpt+json" and
         found[0]["TLS-Report-Domain"] == "example.org" and found[0]["From"] == "<postmaster@sender.test>",
         "its headers are those of RFC 8460 5.3", found[0].as_string()[:1000])
    policy = report["policies"][0]
    t.ok(report["organization-name"] == "sender.test" and policy["policy"]["policy-type"] == "no-policy-found" and
         policy["policy"]["policy-domain"] == "example.org" and
         policy["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 0},
         "it says what there was", json.dumps(report))
    written = glob.glob(os.path.join(one.spool, "tlsrpt", "*.json"))
    t.ok(len(written) == 1 and json.load(open(written[0], encoding="ascii")) == report,
         "case 319: the same in a file, and nothing about whoever does not ask for it", repr(written))
    t.ok(peer.tls_connections >= 3 and one.stop() == 0, "the report itself went in TLS, and TERM ends it with 0")


def everything(stage, t):
    for part in (levels, fingerprints, files, names, fallback, much, resumed, renewed, required, reports):
        if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
            t.case(part.__name__ + " ran to its end", part, stage, t)


def main():
    t = tap.Tap("tls")
    with e2e.Stage("tls") as stage:
        t.case("the run came to its end", everything, stage, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
