#!/usr/bin/env python3
"""dane - DANE end to end (RFC 7672): zones signed by ldns, served by nsd, validated by unbound, mail over OpenSSL's TLS

    records that match, by key and by issuer, behind an alias, for a host whose own certificate has another name
    records that do not match, that somebody has changed, that do not exist, a zone that is forged as a whole
    MX records that are not signed: held to the records of the host, and not called verified
    a validating resolver is all that makes the difference: the same zones without it
"""
import hashlib
import os
import ssl
import subprocess
import sys
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
import e2e  # noqa: E402
import engine  # noqa: E402
import tap  # noqa: E402
import tls  # noqa: E402
import world  # noqa: E402

DNS = os.path.join(ROOT, ".deps", "dns", "usr")
HEAD = "$ORIGIN %s.\n$TTL 300\n@ SOA ns.%s. root.%s. 1 3600 600 86400 60\n@ NS ns.%s.\nns A 127.0.0.1\n"


def tool(name, *args, cwd):
    path = os.path.join(DNS, "sbin" if name in ("nsd", "unbound") else "bin", name)
    return subprocess.run([path, *args], cwd=cwd, check=True, capture_output=True, text=True, timeout=20).stdout


def der_of(name):
    with open(tls.pki(name), encoding="ascii") as f:
        return ssl.PEM_cert_to_DER_cert(f.read())


def key_digest(name):
    """SHA-256 of SubjectPublicKeyInfo, in hex."""
    pem = subprocess.run(["openssl", "x509", "-in", tls.pki(name), "-noout", "-pubkey"], check=True, capture_output=True)
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem.stdout, check=True,
                         capture_output=True)
    return hashlib.sha256(der.stdout).hexdigest()


class Zones:
    """Zone files, signed or not, in a directory; nsd and unbound on ports of their own."""

    def __init__(self, stage, port):
        self.stage, self.port = stage, port
        self.dir = stage.path("zones")
        os.makedirs(self.dir)
        self.nsd_port, self.unbound_port = e2e.free_port(), e2e.free_port()
        self.zones, self.anchors = [], []

    def add(self, name, lines, signed=True, change=None, forged=False):
        """change: (from, to) in the signed zone. forged: the key is not the one that is trusted."""
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="ascii") as f:
            f.write(HEAD % ((name,) * 4) + "".join(line.replace("PORT", str(self.port)) + "\n" for line in lines))
        self.zones.append((name, path + ".signed" if signed else path))
        if not signed:
            return
        key = tool("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", name, cwd=self.dir).strip()
        tool("ldns-signzone", "-f", path + ".signed", path, key, cwd=self.dir)
        if change:
            with open(path + ".signed", encoding="ascii") as f:
                text = f.read()
            assert change[0] in text, text
            with open(path + ".signed", "w", encoding="ascii") as f:
                f.write(text.replace(*change))
        if forged:
            key = tool("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", name, cwd=self.dir).strip()
        self.anchors.append(os.path.join(self.dir, key + ".ds"))

    def start(self):
        with open(os.path.join(self.dir, "nsd.conf"), "w", encoding="ascii") as f:
            f.write("server:\n ip-address: 127.0.0.1@%d\n username: \"\"\n chroot: \"\"\n zonesdir: \"%s\"\n database: \"\"\n"
                    " pidfile: \"\"\n zonelistfile: \"%s/list\"\n xfrdfile: \"\"\n server-count: 1\n"
                    "remote-control:\n control-enable: no\n" % (self.nsd_port, self.dir, self.dir))
            for name, path in self.zones:
                f.write("zone:\n name: \"%s\"\n zonefile: \"%s\"\n" % (name, path))
        with open(os.path.join(self.dir, "unbound.conf"), "w", encoding="ascii") as f:
            f.write("server:\n interface: 127.0.0.1\n port: %d\n username: \"\"\n chroot: \"\"\n directory: \"%s\"\n"
                    " pidfile: \"\"\n use-syslog: no\n do-daemonize: no\n module-config: \"validator iterator\"\n"
                    " do-not-query-localhost: no\n trust-anchor-signaling: no\n qname-minimisation: no\n"
                    " num-threads: 1\n local-zone: \"test.\" nodefault\n do-ip6: no\n" % (self.unbound_port, self.dir))
            for path in self.anchors:
                f.write(" trust-anchor-file: \"%s\"\n" % path)
            f.write("remote-control:\n control-enable: no\n")
            for name, _ in self.zones:
                f.write("stub-zone:\n name: \"%s\"\n stub-addr: 127.0.0.1@%d\n" % (name, self.nsd_port))
        for name, options in (("nsd", ["-d"]), ("unbound", ["-d"])):
            with open(os.path.join(self.dir, name + ".log"), "ab") as log:
                self.stage.add(e2e.Process(name, [os.path.join(DNS, "sbin", name), *options, "-c",
                                                  os.path.join(self.dir, name + ".conf")],
                                           stdout=log, stderr=log, preexec_fn=world.die_with_parent))
        e2e.wait_for("unbound's first answer", self._answers, 20, 0.05)

    def _answers(self):
        out = subprocess.run([os.path.join(DNS, "bin", "drill"), "-D", "-p", str(self.unbound_port), "key.test",
                              "@127.0.0.1", "MX"], capture_output=True, text=True, timeout=20, check=False).stdout
        return "NOERROR" in out and "ANSWER: 2" in out


def build(stage, port, address, other):
    """Two servers: server.pem, which is nobody's name here, and server2.pem with its issuer."""
    z = Zones(stage, port)
    key, stranger, issuer = key_digest("expired.pem"), key_digest("server.pem"), key_digest("inter.pem")

    def domain(name, tlsa="", host=None, **how):
        host = host or "mx.%s." % name
        own = ["mx A %s" % address] if host == "mx.%s." % name else []
        z.add(name, ["@ MX 10 " + host] + own + (["_PORT._tcp.mx TLSA " + tlsa] if tlsa else []), **how)

    domain("key.test", "3 1 1 " + key)
    domain("wrong.test", "3 1 1 " + stranger)
    domain("changed.test", "3 1 1 " + stranger, change=(stranger, key))
    domain("forged.test", "3 1 1 " + key, forged=True)
    domain("none.test")
    domain("useless.test", "1 1 1 " + key)
    domain("plain.test", host="mx.key.test.", signed=False)
    domain("plainwrong.test", host="mx.wrong.test.", signed=False)
    z.add("alias.test", ["@ MX 10 mx", "mx CNAME mx.key.test."])
    z.add("example.org", ["@ MX 10 mx", "mx A " + other, "_PORT._tcp.mx TLSA 2 1 1 " + issuer])
    z.start()
    return z


# domain: what becomes of its mail, in which words the log tells of TLS, at which tls=
OUTCOMES = {
    "key.test": ("sent", "Verified TLS connection established to mx.key.test[", "dane"),
    "alias.test": ("sent", "Verified TLS connection established to mx.alias.test[", "dane"),
    "example.org": ("sent", "Verified TLS connection established to mx.example.org[", "dane"),
    "plain.test": ("sent", "Trusted TLS connection established to mx.key.test[", "dane:halfdane"),
    "none.test": ("sent", "Untrusted TLS connection established to mx.none.test[", "dane:may"),
    "useless.test": ("sent", "Untrusted TLS connection established to mx.useless.test[", "dane:encrypt"),
    "wrong.test": ("4.7.5", "server certificate verification failed for mx.wrong.test[", "!dane"),
    "plainwrong.test": ("4.7.5", "server certificate verification failed for mx.wrong.test[", "!dane"),
    "changed.test": ("4.7.5", "TLSA lookup error for mx.changed.test", None),
    "forged.test": ("4.4.3", "cannot look up the mail servers of forged.test", None),
    "only.plain.test": ("4.7.5", "its MX records are not secure: mx.key.test", None),
}


def check(one, t, domain, want, words, level):
    try:
        tls.wait_line(one, "to=<b@%s>" % domain, "status=sent" if want == "sent" else "dsn=" + want)
        good = not words or bool(tls.log_lines(one, words))
        good = good and (level is None or bool(tls.log_lines(one, "to=<b@%s>" % domain, "tls=%s," % level)))
    except e2e.Failure:
        good = False
    t.ok(good, "%s: %s, %s" % (domain, want, level), "\n".join(tls.log_lines(one, domain) + tls.log_lines(one, "TLS")))


def engine_of(stage, port, servers, name, parameters):
    one = stage.add(engine.Engine(stage, {"dns_servers": servers, "smtp_tcp_port": str(port), "worker_threads": "1",
                                          "smtp_tls_loglevel": "1", "minimal_backoff_time": "60s",
                                          "smtp_tls_security_level": "dane", "dns_timeout": "5s", **parameters}, name))
    one.start()
    return one


def everything(stage, t):
    net = world.Net()
    began = time.monotonic()
    zones = build(stage, net.port, net.address(1), net.address(2))
    first = stage.add(tls.Server(net.address(1), net.port, chain="expired.pem", key="expired.key"))
    stage.add(tls.Server(net.address(2), net.port, chain="server2_chain.pem", key="server2.key"))
    validated = "127.0.0.1:%d" % zones.unbound_port
    one = engine_of(stage, net.port, validated, "validated", {
        "smtp_dns_support_level": "dnssec"})
    only = engine_of(stage, net.port, validated, "only", {
        "smtp_dns_support_level": "dnssec", "smtp_tls_security_level": "dane-only"})
    for domain in OUTCOMES:
        tls.send(only if domain.startswith("only.") else one, "b@" + domain.replace("only.", ""))
    for domain, (want, words, level) in OUTCOMES.items():
        check(only if domain.startswith("only.") else one, t, domain.replace("only.", ""), want, words, level)
    t.ok(set(first.names) == {"mx.key.test", "mx.wrong.test", None},
         "case 301: SNI is the name that the records stand below, or nothing", repr(first.names))
    t.ok(not [m for in_tls, m in first.messages if not in_tls], "nothing in clear")
    # The same name servers, asked directly: nobody has validated anything, and so nothing counts.
    bare = engine_of(stage, net.port, "127.0.0.1:%d" % zones.nsd_port, "bare", {"smtp_dns_support_level": "dnssec"})
    tls.send(bare, "b@wrong.test")
    check(bare, t, "wrong.test", "sent", "Untrusted TLS connection established to mx.wrong.test[", "dane:may")
    for each in (one, only, bare):
        t.ok(each.stop() == 0, "and TERM ends it with 0")
    print("# %.1f s" % (time.monotonic() - began))


def main():
    t = tap.Tap("dane")
    with e2e.Stage("dane") as stage:
        t.case("the run came to its end", everything, stage, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
