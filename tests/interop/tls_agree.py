#!/usr/bin/env python3
"""tls_agree.py - chains and TLSA records by the thousand: do we say what OpenSSL says?

usage: tls_agree.py PROGRAM [COUNT [SEED]]     (PROGRAM: tls_agree of the build; 300 questions, seed 1)

Half of the questions are about anchors ("openssl verify -partial_chain"), half about TLSA records ("openssl s_client
-dane_tlsa_domain -dane_tlsa_rrdata"). Hierarchies are drawn at random: keys, depth, and at most a few things that are
wrong. Where the two disagree, the reason has to be one of DIFFERENCES, and on our side has to be the stricter verdict
unless it says otherwise. A few questions are also put to the command line, to see that the second opinion is OpenSSL's.
"""
import datetime
import hashlib
import os
import random
import socket
import subprocess
import sys
import tempfile
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

NOW = 1767225600
DAY = datetime.timedelta(days=1)
TODAY = datetime.datetime(2026, 1, 1)
NAME = "mx.example.org"
DER = serialization.Encoding.DER

# What we know of, and why it is right. In the first five we are the stricter ones.
DIFFERENCES = {
    "constraints": "wolfSSL holds a certificate against the name constraints of its own issuer only, so that an issuer "
                   "that has some vouches for servers and for no other issuer (tls_chain.c)",
    "key identifier": "a certificate names its issuer's key, and the issuer's certificate does not: wolfSSL then takes "
                      "SHA-1 of another form of the key, unless it is RSA (RFC 5280 4.2.1.2 asks issuers to have one)",
    "no issuer": "without basic constraints nobody is an issuer (RFC 5280 4.2.1.9); OpenSSL takes key usage for it",
    "self": "a self-signed server that is trusted as it stands has to have signed itself (row TLS-01)",
    "dates": "of an issuer in a record the dates count when it has nobody above it; whether it has, OpenSSL judges by "
             "key identifiers, too",
    "any purpose": "RFC 5280 4.2.1.12 lets anyExtendedKeyUsage stand for all; OpenSSL's purpose does not",
    "anchor": "who is in smtp_tls_CAfile is trusted by name and key (RFC 5280 6.1.1 d), whatever his certificate says of "
              "purposes, and whether it says that he is an issuer: nothing but issuers belongs there",
    "bare key": "what is signed with a key that a record has whole needs nobody else: a certificate that is sent for "
                "that key and may not sign could as well have been left out",
}


class Keys:
    """Keys are slow to make: a few of each kind, used again with other names."""

    def __init__(self):
        self.rsa = [rsa.generate_private_key(65537, 2048) for _ in range(6)]
        self.at = 0

    def draw(self, r):
        kind = r.random()
        if kind < 0.2:
            self.at += 1
            return self.rsa[self.at % len(self.rsa)]
        if kind < 0.3:
            return ed25519.Ed25519PrivateKey.generate()
        return ec.generate_private_key(ec.SECP384R1() if kind < 0.45 else ec.SECP256R1())


class Entity:
    def __init__(self, key, name, cert):
        self.key, self.name, self.cert = key, name, cert
        self.der = cert.public_bytes(DER)
        self.spki = cert.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def subject(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def algorithm(key):
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def usage(sign):
    return x509.KeyUsage(digital_signature=not sign, content_commitment=False, key_encipherment=False,
                         data_encipherment=False, key_agreement=False, key_cert_sign=sign, crl_sign=sign,
                         encipher_only=False, decipher_only=False)


class Case:
    """One hierarchy, what is shown of it, and what is trusted."""

    def __init__(self, r, keys, serial):
        self.r, self.keys, self.serial = r, keys, serial
        self.odd = []           # what is wrong, or at least unusual
        self.name = NAME
        self.build()
        self.show()

    def chance(self, p, what):
        if self.r.random() < p:
            self.odd.append(what)
            return True
        return False

    def issue(self, key, name, issuer, is_ca, level):
        r = self.r
        signer = issuer.key if issuer else key
        begin, end = TODAY - 100 * DAY, TODAY + 100 * DAY
        if self.chance(0.04, "expired %d" % level):
            end = TODAY - DAY
        elif self.chance(0.02, "not yet valid %d" % level):
            begin = TODAY + DAY
        b = x509.CertificateBuilder().subject_name(subject(name))
        b = b.issuer_name(issuer.cert.subject if issuer else subject(name))
        b = b.public_key(key.public_key()).serial_number(r.getrandbits(120) + 1)
        b = b.not_valid_before(begin).not_valid_after(end)
        if is_ca:
            if not self.chance(0.03, "no basic constraints %d" % level):
                ca = not self.chance(0.03, "CA false %d" % level)
                path = r.choice([0, 1, 2]) if self.chance(0.1, "path length %d" % level) and ca else None
                b = b.add_extension(x509.BasicConstraints(ca, path), critical=True)
            if r.random() < 0.7:
                b = b.add_extension(usage(not self.chance(0.05, "no cert sign %d" % level)), critical=True)
            if self.chance(0.03, "a name constraint somewhere"):
                inside = x509.NameConstraints([x509.DNSName(r.choice(["example.org", "other.test"]))], None)
                b = b.add_extension(r.choice([inside, x509.NameConstraints(None, inside.permitted_subtrees)]), True)
            if self.chance(0.04, "purposes of an issuer %d" % level):
                b = b.add_extension(x509.ExtendedKeyUsage([r.choice([
                    ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])]), False)
        else:
            b = self.leaf_extensions(b)
        if not self.chance(0.1, "no key identifiers %d" % level):
            b = b.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            other = self.keys.draw(r) if self.chance(0.02, "wrong authority key %d" % level) else signer
            b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(other.public_key()), False)
        if self.chance(0.02, "unknown critical extension %d" % level):
            b = b.add_extension(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4.5"), b"\5\0"), True)
        if self.chance(0.03, "signed by somebody else %d" % level):
            signer = self.keys.draw(r)
        return Entity(key, name, b.sign(signer, algorithm(signer)))

    def leaf_extensions(self, b):
        r = self.r
        kind = r.random()
        if kind < 0.6:
            names = [NAME]
        elif kind < 0.7:
            names = ["*.example.org"]
        elif kind < 0.8:
            names = ["other.test"]
        elif kind < 0.9:
            names = ["a.test", "*.*.org", NAME.upper()]
        else:
            names = []          # the common name has to do
        if names:
            b = b.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        if self.chance(0.15, "purposes"):
            uses = r.choice([[ExtendedKeyUsageOID.SERVER_AUTH], [ExtendedKeyUsageOID.CLIENT_AUTH],
                             [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
                             [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]])
            if uses == [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]:
                self.odd.append("anyExtendedKeyUsage alone")
            b = b.add_extension(x509.ExtendedKeyUsage(uses), False)
        return b

    def build(self):
        r = self.r
        depth = r.choice([0, 1, 1, 2, 2, 3])     # issuers above the server
        self.all = []
        issuer = None
        for level in range(depth, 0, -1):
            issuer = self.issue(self.keys.draw(r), "CA %d of %d" % (level, self.serial), issuer, True, level)
            self.all.insert(0, issuer)
        self.all.insert(0, self.issue(self.keys.draw(r), r.choice([NAME, NAME, "other.test"]), issuer, False, 0))

    def show(self):
        r = self.r
        shown = list(self.all)
        if len(shown) > 1 and r.random() < 0.5:
            shown.pop()         # the root is not sent
        if len(shown) > 2 and self.chance(0.1, "one is missing"):
            shown.pop(r.randrange(1, len(shown)))
        if len(shown) > 2 and self.chance(0.2, "another order"):
            rest = shown[1:]
            r.shuffle(rest)
            shown = shown[:1] + rest
        if self.chance(0.05, "the server twice"):
            shown.append(shown[0])
        self.shown = [e.der for e in shown]

    def trust(self):
        r = self.r
        whom = r.choice(self.all[1:] or self.all) if r.random() < 0.3 else self.all[-1]
        if self.chance(0.05, "another root"):
            whom = Case(r, self.keys, self.serial + 1000000).all[-1]
        return [whom.der]

    def records(self):
        r = self.r
        out = []
        for _ in range(r.choice([1, 1, 1, 2, 2, 3])):
            use = r.choice([2, 2, 3]) if not self.chance(0.03, "usage 0 or 1") else r.choice([0, 1])
            whom = self.all[0] if use in (1, 3) else r.choice(self.all[1:] or self.all)
            if self.chance(0.1, "about another one"):
                whom = r.choice(self.all)
            if self.chance(0.08, "about a stranger"):
                whom = Case(r, self.keys, self.serial + 1000000).all[0]
            selector, matching = r.choice([0, 1]), r.choice([0, 1, 1, 2])
            what = whom.spki if selector else whom.der
            data = {0: lambda d: d, 1: lambda d: hashlib.sha256(d).digest(),
                    2: lambda d: hashlib.sha512(d).digest()}[matching](what)
            if self.chance(0.03, "cut"):
                data = data[:-1]
            if self.chance(0.02, "unknown matching type"):
                matching = 7
            if self.chance(0.02, "unknown selector"):
                selector = 9
            out.append(bytes([use, selector, matching]) + data)
        return out


def write(case, number, f):
    dane = number % 2 == 1
    lines = ["case %d" % number] + ["cert " + d.hex() for d in case.shown]
    extra = case.records() if dane else case.trust()
    lines += [("tlsa " if dane else "anchor ") + d.hex() for d in extra]
    lines += ["name " + case.name, "time %d" % NOW, "ask", ""]
    f.write("\n".join(lines))
    return extra


def pem(d, name, ders):
    with open(os.path.join(d, name), "wb") as f:
        for der in ders:
            f.write(x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM))
    return os.path.join(d, name)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def serve(d, case):
    """openssl s_server with this chain: (process, endpoint)."""
    key = os.path.join(d, "key")
    with open(key, "wb") as f:
        f.write(case.all[0].key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                              serialization.NoEncryption()))
    args = ["openssl", "s_server", "-quiet", "-cert", pem(d, "server", case.shown[:1]), "-key", key]
    if len(case.shown) > 1:
        args += ["-cert_chain", pem(d, "chain", case.shown[1:])]
    port = free_port()
    child = subprocess.Popen(args + ["-accept", "127.0.0.1:%d" % port], stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.01)
    return child, "127.0.0.1:%d" % port


def on_wire(case, records):
    """The same question about TLSA records put to openssl s_client."""
    with tempfile.TemporaryDirectory() as d:
        child, endpoint = serve(d, case)
        try:
            args = ["openssl", "s_client", "-connect", endpoint, "-brief", "-attime", str(NOW), "-dane_tlsa_domain",
                    case.name, "-dane_ee_no_namechecks", "-verify_depth", "20", "-cipher", "DEFAULT@SECLEVEL=1"]
            for r in records:
                if r[0] >= 2:       # RFC 7672 3.1.3
                    args += ["-dane_tlsa_rrdata", "%d %d %d %s" % (r[0], r[1], r[2], r[3:].hex())]
            done = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
            return "Verification: OK" in done.stdout + done.stderr
        finally:
            child.kill()
            child.wait()


def on_command_line(case, extra):
    """The same question about anchors put to openssl verify."""
    with tempfile.TemporaryDirectory() as d:
        args = ["openssl", "verify", "-partial_chain", "-purpose", "sslserver", "-attime", str(NOW), "-verify_hostname",
                case.name, "-auth_level", "1", "-no-CApath", "-no-CAstore", "-CAfile", pem(d, "ca", extra)]
        if len(case.shown) > 1:
            args += ["-untrusted", pem(d, "chain", case.shown[1:])]
        return subprocess.run(args + [pem(d, "server", case.shown[:1])], capture_output=True).returncode == 0


def explain(case, extra, dane, ours, why, theirs, their_why):
    """Why they may disagree, or None."""
    odd = " ".join(case.odd)
    if ours == "bad" and theirs == "good":
        if "name constraint" in odd:
            return "constraints"
        if any("no key identifiers %d" % n in odd for n in range(1, 4)):
            return "key identifier"
        if "no basic constraints" in odd:
            return "no issuer"
        if dane and ("expired" in odd or "not yet valid" in odd) and "signed by somebody else" in odd:
            return "dates"
        if not dane and len(case.all) == 1 and "signed by somebody else 0" in odd:
            return "self"
    if ours == "good" and theirs == "bad":
        if "anyExtendedKeyUsage alone" in odd:
            return "any purpose"
        whom = [e for e in case.all if e.der in extra and e is not case.all[0]]
        if not dane and whom and their_why in ("unsuitable certificate purpose", "invalid CA certificate"):
            return "anchor"
        if dane and any(e[:3] == b"\2\1\0" for e in extra):
            return "bare key"
    return None


def main():
    program, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 300
    r = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    keys = Keys()
    cases, extras = [], []
    with tempfile.TemporaryFile("w+") as f:
        for number in range(count):
            cases.append(Case(r, keys, number))
            extras.append(write(cases[-1], number, f))
        f.seek(0)
        out = subprocess.run([program], stdin=f, capture_output=True, text=True, check=True).stdout
    lines = [line.split("\t") for line in out.splitlines()]
    wrong, known, good, asked, odd_cli, on_wires = 0, {}, 0, 0, 0, 0
    for number, (n, ours, why, usable, theirs, their_why, their_usable) in enumerate(lines):
        case = cases[number]
        assert int(n) == number
        good += ours == theirs == "good"
        if ours != theirs or usable != their_usable:
            reason = explain(case, extras[number], number % 2 == 1, ours, why, theirs, their_why)
            if usable != their_usable:
                reason = None
            known[reason] = known.get(reason, 0) + 1
            if reason is None:
                wrong += 1
                kinds = [e.key.__class__.__name__ for e in case.all]
                print("  %d: ours %s (%s), OpenSSL %s (%s), usable %s %s; %s; records %s; %s" % (
                    number, ours, why, theirs, their_why, usable, their_usable, case.odd,
                    [tuple(e[:3]) for e in extras[number]] if number % 2 else "", kinds))
        if number % max(count // 40, 1) == 0 and number % 2 == 0:
            asked += 1
            odd_cli += on_command_line(case, extras[number]) != (theirs == "good")
        if number % max(count // 20, 1) == 1 and number % 2 == 1 and their_usable == "1":
            on_wires += 1
            odd_cli += on_wire(case, extras[number]) != (theirs == "good")
    for reason, n in known.items():
        if reason is not None:
            print("  %d times: %s: %s" % (n, reason, DIFFERENCES[reason]))
    print("%s - tls_agree: %d chains and TLSA sets, %d good to both, %d without a reason apart" % (
        "ok" if wrong == 0 and len(lines) == count and good > count // 10 else "not ok", count, good, wrong))
    print("%s - tls_agree: the second opinion is that of openssl verify (%d asked) and s_client (%d)" % (
        "ok" if odd_cli == 0 and asked > 0 and on_wires > 0 else "not ok", asked, on_wires))
    return 0 if wrong == 0 and odd_cli == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
