"""auth - twelve secrets: each is heard by the server it is meant for, and by nobody else (rows AUT-01, AUT-02, AUT-08, LOG-04)

    servers that want to hear it in clear, before TLS, without TLS, in another's place; servers that say what they have heard
    PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256, XOAUTH2 and OAUTHBEARER; a token that is replaced while the engine runs
    afterwards no secret, and nothing made of one, is in a log, a metric, the spool, a report or another server's ears; in the
    engine's memory they are where the table is, which is locked and never dumped, and there is no core
"""

import array
import base64
import hashlib
import hmac
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
import tap  # noqa: E402
import threaded  # noqa: E402
import world  # noqa: E402

PKI = os.path.join(ROOT, "tests", "unit", "crypto", "pki")
MESSAGE = b"From: a@sender.test\r\nSubject: in private\r\n\r\nbody\r\n"
SALT = b"a salt of sixteen"


def b64(octets):
    return base64.b64encode(octets)


class Server(threaded.Server):
    """What it is told and how; what it offers, in clear and in TLS."""

    def __init__(self, address, port, clear=b"", tls=b"", starttls=True, refuse=None, secret=b""):
        self.__dict__.update(locals())
        self.heard = b""        # every octet of the dialogue, also those inside TLS
        self.authenticated = []
        self.messages = 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(os.path.join(PKI, "server.pem"), os.path.join(PKI, "server.key"))
        self.listen(address, port)

    def serve(self, conn):
        try:
            conn.sendall(b"220 mx ESMTP\r\n")
            with conn:
                if self._talk(conn, False) == "starttls":
                    self._talk(self.context.wrap_socket(conn, server_side=True), True)
        except (OSError, ValueError):
            pass

    def _line(self, lines):
        line = lines.readline()
        self.heard += line
        return line.strip()

    def _ask(self, conn, lines, challenge):
        conn.sendall(b"334 " + b64(challenge) + b"\r\n")
        return base64.b64decode(self._line(lines))

    def _scram(self, conn, lines, first):
        bare = first[3:]
        server_first = b"r=" + re.search(rb"r=([^,]*)", bare).group(1) + b"ours,s=" + b64(SALT) + b",i=4096"
        final = self._ask(conn, lines, server_first)
        without, proof = final.rsplit(b",p=", 1)
        message = b",".join((bare, server_first, without))
        salted = hashlib.pbkdf2_hmac("sha256", self.secret, SALT, 4096)
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        if bytes(a ^ b for a, b in zip(key, signature)) != base64.b64decode(proof):
            return False
        server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        return self._ask(conn, lines, b"v=" + b64(server)) == b""

    def _is_right(self, conn, lines, words):
        mech = words[1].upper()
        first = base64.b64decode(words[2]) if len(words) > 2 else None
        if mech == b"PLAIN":
            return (first if first is not None else self._ask(conn, lines, b"")).endswith(b"\0" + self.secret)
        if mech == b"LOGIN":
            self._ask(conn, lines, b"Username:")
            return self._ask(conn, lines, b"Password:") == self.secret
        if mech == b"CRAM-MD5":
            want = hmac.new(self.secret, b"<1@mx>", "md5").hexdigest().encode()
            return self._ask(conn, lines, b"<1@mx>").endswith(b" " + want)
        if mech in (b"XOAUTH2", b"OAUTHBEARER"):
            return b"auth=Bearer " + self.secret + b"\x01" in (first if first is not None else self._ask(conn, lines, b""))
        return mech == b"SCRAM-SHA-256" and self._scram(conn, lines, first)

    def _auth(self, conn, lines, words):
        right = self._is_right(conn, lines, words)
        if self.refuse:
            conn.sendall(self.refuse + b"\r\n")
            return
        if right:
            self.authenticated.append(words[1])
        conn.sendall(b"235 2.7.0 welcome\r\n" if right else b"535 5.7.8 no\r\n")

    def _talk(self, conn, in_tls):
        lines = conn.makefile("rb")
        while True:
            line = self._line(lines)
            verb = line[:4].upper()
            if not line:
                return "end"
            if verb == b"EHLO":
                caps = self.tls if in_tls else self.clear + (b"250-STARTTLS\r\n" if self.starttls else b"")
                conn.sendall(b"250-mx\r\n" + caps + b"250 8BITMIME\r\n")
            elif verb == b"STAR":
                conn.sendall(b"220 go\r\n")
                return "starttls"
            elif verb == b"AUTH":
                self._auth(conn, lines, line.split())
            elif verb == b"DATA":
                conn.sendall(b"354 go\r\n")
                while self._line(lines) != b".":
                    pass
                self.messages += 1
                conn.sendall(b"250 2.0.0 taken\r\n")
            elif verb == b"QUIT":
                conn.sendall(b"221 bye\r\n")
                return "end"
            else:
                conn.sendall(b"250 ok\r\n")


class Account:
    """A domain, its server, and the secret for it."""

    def __init__(self, number, name, server, hears, ends, level="may", key=None, token=None):
        self.__dict__.update(locals())
        self.secret = b"canary-%02d-" % number + hashlib.sha256(b"auth %d" % number).hexdigest()[:20].encode()
        self.user = b"user%d" % number
        self.domain = name + ".test"
        self.server["secret"] = self.secret

    def forms(self):
        """The secret as others might write it down."""
        whole = [self.secret, b64(self.secret), b64(b"\0" + self.user + b"\0" + self.secret), self.secret.hex().encode(),
                 b64(b"user=" + self.user + b"\x01auth=Bearer " + self.secret + b"\x01\x01")]
        # In the middle of something else: the same in base64 from each of three places on, without its ends.
        return whole + [b64(b"x" * at + self.secret)[4 if at else 0:-4] for at in range(3)]


ALL = b"250-AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 XOAUTH2 OAUTHBEARER\r\n"


def accounts(tokens):
    plain, login = b"250-AUTH PLAIN\r\n", b"250-AUTH LOGIN\r\n"
    return [
        Account(1, "inclear", {"clear": b"250-AUTH PLAIN LOGIN\r\n", "starttls": False}, False, "4.7.0"),
        Account(2, "crammd5", {"clear": b"250-AUTH CRAM-MD5 PLAIN\r\n", "starttls": False}, False, "sent"),
        Account(3, "scram", {"clear": ALL, "starttls": False}, False, "sent"),
        Account(4, "plain", {"tls": plain}, True, "sent", "encrypt"),
        Account(5, "login", {"tls": login}, True, "sent", "encrypt"),
        Account(6, "beforetls", {"clear": plain}, False, "sent", "encrypt"),
        Account(7, "notls", {"clear": plain, "starttls": False}, False, "4.7.4", "encrypt"),
        Account(8, "gossip", {"tls": plain, "refuse": b"535 5.7.8 %s"}, True, "4.7.8", "encrypt"),
        Account(9, "xoauth", {"tls": b"250-AUTH XOAUTH2 PLAIN\r\n"}, True, "sent", "encrypt", token=tokens + "/nine"),
        Account(10, "bearer", {"tls": b"250-AUTH OAUTHBEARER LOGIN\r\n"}, True, "sent", "encrypt", token=tokens + "/ten"),
        # There are credentials for the relay by name, and this domain's mail goes somewhere else.
        Account(11, "moved", {"clear": plain, "tls": plain}, False, "sent", "encrypt", key="[relay.test]:587"),
        Account(12, "long", {"tls": plain}, True, "sent", "encrypt"),
    ]


def write(path, text, mode=0o600):
    with open(path + ".new", "wb") as f:
        os.fchmod(f.fileno(), mode)
        f.write(text)
    os.rename(path + ".new", path)


def send(one, *domains):
    with smtplib.SMTP(one.host, one.port, local_hostname="client.test", timeout=20) as client:
        for domain in domains:
            client.sendmail("a@sender.test", ["b@" + domain], MESSAGE)


def log_of(one):
    with open(one.log, "rb") as f:
        return f.read()


def wait_status(one, domain, status, count=1):
    pattern = rb"to=<b@%s>.*(dsn=%s|status=%s)" % (domain.encode(), status.encode(), status.encode())
    e2e.wait_for("%s: %s" % (domain, status), lambda: len(re.findall(pattern, log_of(one))) >= count, 20, 0.05)


def files_below(folder):
    for at, _, names in os.walk(folder):
        for name in names:
            try:
                with open(os.path.join(at, name), "rb") as f:
                    yield os.path.join(at, name), f.read()
            except OSError:
                pass


PAGE = 4096


def touched(pagemap, start, end):
    """(start, end) of runs of pages that are there, in memory or swapped out."""
    pagemap.seek(start // PAGE * 8)
    words = array.array("Q", pagemap.read((end - start) // PAGE * 8))
    first = None
    for i, word in enumerate((*words, 0)):
        if word >> 62 and first is None:
            first = i
        elif not word >> 62 and first is not None:
            yield start + first * PAGE, start + i * PAGE
            first = None


def memory(pid):
    """(flags, octets) of everything that has been written to."""
    with open("/proc/%d/smaps" % pid, encoding="ascii") as f:
        smaps = f.read()
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as mem, open("/proc/%d/pagemap" % pid, "rb") as pagemap:
        for part in re.finditer(r"^([0-9a-f]+)-([0-9a-f]+) (rw\S+).*?^Rss: +(\d+).*?^VmFlags: ([^\n]*)", smaps, re.M | re.S):
            for start, end in touched(pagemap, int(part[1], 16), int(part[2], 16)) if part[4] != "0" else ():
                try:
                    mem.seek(start)
                    yield part[5].split(), mem.read(end - start)
                except OSError:
                    pass        # of a device


def search_memory(one, all_accounts, t):
    raw, made, where = 0, [], set()
    # What all forms of all secrets have in common, to look for them once.
    common = [b"canary-", b"canary-".hex().encode(), b"Y2FuYXJ5L", b"bmFyeS", b"YW5hcnkt"]
    for flags, octets in memory(one.pid):
        if not any(part in octets for part in common):
            continue
        for a in all_accounts:
            n = octets.count(a.secret)
            raw += n
            if n:
                where.add((a.number, "lo" in flags, "dd" in flags))
            made += [(a.number, form) for form in a.forms()[1:] if form in octets]
    t.ok(not made, "row AUT-08: nothing made of a secret is left in memory", made)
    t.ok(all(locked and undumped for _, locked, undumped in where),
         "row AUT-08: the secrets are in memory that is locked and never dumped, and nowhere else", sorted(where))
    t.note("%d places of %d secrets" % (raw, len(all_accounts)))


def search_elsewhere(one, all_accounts, servers, t):
    found = []
    for path, octets in files_below(one.dir):
        found += [(path, a.number, form) for a in all_accounts for form in a.forms() if form in octets and "passwd" not in path]
    t.ok(not found, "row LOG-04: no secret is in a log, a metric or the spool", found)
    wrong = []
    for a in all_accounts:
        for other, server in servers.items():
            heard = any(form in server.heard for form in a.forms())
            if heard != (other == a.number and a.hears):
                wrong.append((a.name, other, "heard" if heard else "not heard"))
    t.ok(not wrong, "rows AUT-01, AUT-02: each secret is heard where it is meant to be heard, and nowhere else", wrong)


def no_core(one, t):
    one.process.child.send_signal(6)
    one.process.child.wait(20)
    cores = [os.path.join(at, name) for at in (one.dir, ".") for name in os.listdir(at)
             if name.startswith("core") and os.path.isfile(os.path.join(at, name))]
    t.ok(one.process.child.returncode == -6 and not cores, "row AUT-08: a crash leaves no core", cores)


def run(stage, t):
    tokens = stage.path("tokens")
    os.makedirs(tokens)
    everyone = accounts(tokens)
    net, zone = world.Net(), world.Zone()
    servers = {}
    passwd = b""
    for a in everyone:
        if a.server.get("refuse"):
            a.server["refuse"] %= a.secret
        if a.token:
            write(a.token, b"the token before this one\n")
        zone.mx(a.domain, (10, zone.host("mx." + a.domain, net.address(a.number))))
        servers[a.number] = stage.add(Server(net.address(a.number), net.port, **a.server))
        what = b"oauth2:" + a.token.encode() if a.token else a.secret
        passwd += b"%s %s:%s\n" % ((a.key or a.domain).encode(), a.user, what)
    dns = stage.add(world.Dns(stage, zone))
    passwd_path = stage.path("passwd")
    write(passwd_path, passwd)
    policy = " ".join("{ %s = %s }" % (a.domain, a.level) for a in everyone)
    one = stage.add(engine.Engine(stage, {
        "dns_servers": dns.endpoint, "smtp_tcp_port": str(net.port), "worker_threads": "1",
        "minimal_backoff_time": "400s", "smtp_tls_security_level": "may", "smtp_tls_loglevel": "2",
        "smtp_tls_policy_maps": "inline:{ %s }" % policy, "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_password_maps": "texthash:" + passwd_path, "smtp_sasl_tls_security_options": "noanonymous",
        "debug_peer_list": "static:all", "debug_peer_level": "3", "notify_classes": "protocol, data, resource, software",
        "smtp_destination_concurrency_failed_cohort_limit": "0"}))
    one.start(before=("prlimit", "--core=unlimited"))
    first = [a for a in everyone if not a.token]
    send(one, *(a.domain for a in first))
    for a in first:
        wait_status(one, a.domain, a.ends)
    t.ok(True, "each message ends as it has to")
    replaced(one, everyone, t)
    for a in everyone:
        got = servers[a.number].authenticated
        t.ok(bool(got) == (a.ends == "sent" and a.name not in ("beforetls", "moved")), "%s: %s" % (a.name, got or "nobody"))
    t.ok(b"535 [hidden: the server repeats what was said]" in log_of(one), "a server that repeats a secret is not quoted")
    e2e.wait_for("idle", lambda: one.metrics()["ringpost_auth_succeeded_total"] >= 7, 10)
    t.ok(one.metrics()["ringpost_auth_failed_total"] >= 2, "failures are counted", one.metrics())
    if not engine.sanitized():      # whose memory has copies of its own
        search_memory(one, everyone, t)
    no_core(one, t)
    search_elsewhere(one, everyone, servers, t)


def replaced(one, everyone, t):
    """Tokens that are not good any more are refused; whoever writes better ones need not tell the engine."""
    with_token = [a for a in everyone if a.token]
    for a in with_token:
        write(a.token, a.secret + b"\nanything\n")
    send(one, *(a.domain for a in with_token))
    for a in with_token:
        wait_status(one, a.domain, "sent")
    t.ok(True, "tokens are read when they are needed, and may be replaced at any time")


def main():
    t = tap.Tap("auth")
    with e2e.Stage("auth") as stage:
        t.case("twelve secrets", run, stage, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
