"""mime - an independent decoder sees the same message before and after it was made 7bit (issue 4, B 16, FZ-05)

Every mail of tests/mail and 20,000 generated ones go through the converting stage in one process (mime_filter). For
each, Python's email package must see equal trees: types, structure, headers but Content-Transfer-Encoding, preambles,
epilogues and decoded payloads. What went out must have no part left that is labelled 8bit or binary, nor an octet
above 127 in one that was labelled so. What needed no change is octet for octet the same, so that a
DKIM signature over it still verifies; one where something was changed does not.

Not among the generated ones: message/global, delivery-status and the like with 8-bit text, which that package looks
into although they are encoded as a whole (the unit tests have them).
"""

import binascii
import email
import os
import random
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import mails  # noqa: E402
import signer  # noqa: E402
import tap  # noqa: E402

COUNT = 20000
SEED = 20261
CTE = "content-transfer-encoding"
NO_TROUBLE, SEALED = 0, 3		# enum mime_trouble


# --- the stage ----------------------------------------------------------------------------------------------------

def convert(contents):
    """[(trouble, what went out)] for each, through one process."""
    build = os.environ.get("RINGPOST_BUILD") or os.path.join(ROOT, "build")
    given = b"".join(struct.pack(">I", len(c)) + c for c in contents)
    done = subprocess.run([os.path.join(build, "tests", "mime_filter")], input=given, stdout=subprocess.PIPE,
                          check=True)
    out, at = [], 0
    for _ in contents:
        trouble, length = struct.unpack_from(">II", done.stdout, at)
        out.append((trouble, done.stdout[at + 8:at + 8 + length]))
        at += 8 + length
    assert at == len(done.stdout)
    return out


# --- what the decoder sees ----------------------------------------------------------------------------------------

def tree(m):
    headers = [(k, v) for k, v in m._headers if k.lower().strip() != CTE]
    if m.is_multipart():
        content = [m.preamble, m.epilogue] + [tree(part) for part in m.get_payload()]
    else:
        content = m.get_payload(decode=True)
    return (m.get_content_type(), headers, content)


def encoding(m):
    """What the stage reads there: the first token of the last header that is known."""
    known = "7bit"
    for value in m.get_all(CTE, []):
        word = str(value).strip().lower()
        if word in ("7bit", "8bit", "binary", "base64", "quoted-printable"):
            known = word
    return known


def left_over(m, before):
    """Parts of before, m being the same afterwards, that were to be converted and are not."""
    found = []
    for now, then in zip(m.walk(), before.walk()):
        if encoding(now) in ("8bit", "binary"):
            found.append("labelled %s" % encoding(now))
        is_leaf = not now.is_multipart() and then.get_content_maintype() != "multipart"
        if encoding(then) in ("8bit", "binary") and is_leaf:
            if any(ord(c) > 127 for c in now._payload):
                found.append("octets above 127")
            if any(len(line) > 76 for line in now._payload.split("\r\n")):
                found.append("long lines")
    return found


# --- generated mail -----------------------------------------------------------------------------------------------

WORDS = ("der Brief ist da Gr\u00fc\u00dfe \u00fcber sch\u00f6n \u041f\u0440\u0438\u0432\u0435\u0442 \u65e5\u672c "
         "a=b = == =20 x\ty -- - . .. From ? :").split(" ")
LABELS = ["8bit"] * 6 + ["binary", "7bit", "base64", "quoted-printable", "x-unknown", None, None]
OPAQUE = [bytes(c for c in range(256) if c not in (10, 13))[i:i + 40] for i in range(0, 250, 10)]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def boundary(self):
        r = self.r
        core = "%08x" % r.getrandbits(32)
        style = r.randrange(6)
        if style == 0:
            return core, core
        if style == 1:
            return "----=_Part_" + core, '"----=_Part_%s"' % core
        if style == 2:
            return "=3D" + core.upper() + "=C3", '"=3D%s=C3"' % core.upper()
        if style == 3:
            return core + " (x), 'y'", '"%s (x), \'y\'"' % core
        if style == 4:
            return "===============%s==" % core, '"===============%s=="' % core
        return "-" + core * 8, '"-%s"' % (core * 8)

    def header(self, name, value):
        r = self.r
        name = r.choice([name, name, name.lower(), name.upper()])
        return name.encode() + r.choice([b": ", b": ", b":", b": \r\n "]) + value + b"\r\n"

    def line(self, open_boundaries):
        r = self.r
        kind = r.randrange(14)
        if kind == 0:
            return b""
        if kind == 1:
            return r.choice(OPAQUE)
        if kind == 2 and open_boundaries:
            # Where a soft break may come, and as what encoding makes of it.
            return b"x" * r.randrange(70, 76) + b"--" + r.choice(open_boundaries).encode() + b"--"
        if kind == 3 and open_boundaries:
            b = r.choice(open_boundaries)
            return b"--" + b.replace("=3D", "=").replace("=C3", "\u00e9").encode()[:r.randrange(1, 9)]
        text = " ".join(r.choice(WORDS) for _ in range(r.choice((1, 5, 12, 12, 12, 60)))).encode()
        return text + r.choice((b"", b"", b" ", b"\t", b"  "))

    def text(self, open_boundaries):
        return b"".join(self.line(open_boundaries) + b"\r\n" for _ in range(self.r.choice((0, 1, 2, 6))))

    def leaf(self, open_boundaries, label):
        if label in ("base64", "quoted-printable"):
            raw = " ".join(self.r.choice(WORDS) for _ in range(8)).encode()
            if label == "base64":
                return binascii.b2a_base64(raw)[:-1] + b"\r\n"
            return binascii.b2a_qp(raw).replace(b"\n", b"\r\n") + b"\r\n"
        return self.text(open_boundaries)

    def entity(self, depth, open_boundaries, sealed):
        """(headers, content)"""
        r = self.r
        kind = r.random()
        if sealed:
            label = r.choice(("7bit", "base64", None))
        else:
            label = r.choice(LABELS)
        heads = []
        if depth < 4 and kind < (0.6, 0.35, 0.25, 0.2)[depth]:
            sub = r.choice(("mixed", "mixed", "alternative", "related", "digest", "signed", "report"))
            if label in ("base64", "quoted-printable"):
                label = "8bit" if not sealed else None
            plain, quoted = self.boundary()
            inner = open_boundaries + [plain]
            mark = b"--" + plain.encode()
            value = ("multipart/%s; %sboundary=%s" % (sub, r.choice(("", "charset=x; ", "\r\n\t")), quoted)).encode()
            heads.append(self.header("Content-Type", value))
            content = r.choice((b"", b"This is MIME.\r\n", self.text([])))
            for _ in range(r.choice((1, 2, 2, 3))):
                h, c = self.entity(depth + 1, inner, sealed or sub == "signed")
                content += mark + r.choice((b"", b"", b" ", b"\t")) + b"\r\n" + h + b"\r\n" + c
                if r.random() < 0.5:
                    content += b"\r\n"
            if r.random() < 0.9:
                content += mark + b"--\r\n" + r.choice((b"", b"epilogue =\r\n"))
        elif depth < 4 and kind < (0.65, 0.45, 0.35, 0.3)[depth]:
            if label in ("base64", "quoted-printable"):
                label = "8bit" if not sealed else None
            heads.append(self.header("Content-Type", b"message/rfc822"))
            h, c = self.entity(depth + 1, open_boundaries, sealed)
            content = b"Subject: inside\r\n" + h + b"\r\n" + c
        else:
            if r.random() < 0.8:
                heads.append(self.header("Content-Type", r.choice((
                    b"text/plain; charset=utf-8", b"text/html", b"application/octet-stream", b"image/png; name=x"))))
            else:
                heads.append(self.header("Content-Type", b"text/plain"))
            content = self.leaf(open_boundaries, label)
        if label is not None:
            heads.append(self.header("Content-Transfer-Encoding", r.choice((label, label, label.upper())).encode()))
        for _ in range(r.randrange(3)):
            heads.append(self.header(r.choice(("X-A", "Content-Disposition", "Content-ID", "Subject")),
                                     r.choice((b"a", b"inline", b"<a@b>", b"a\r\n b", "\u00e9".encode()))))
        r.shuffle(heads)
        return b"".join(heads), content

    def mail(self):
        h, c = self.entity(0, [], False)
        return b"From: <a@b.test>\r\nMIME-Version: 1.0\r\n" + h + b"\r\n" + c


def same_trees(t, words, contents, may_fail=False):
    results = convert(contents)
    changed = failed = 0
    wrong = []
    for i, (content, (trouble, out)) in enumerate(zip(contents, results)):
        if trouble != NO_TROUBLE:
            failed += 1
            if not may_fail or trouble != SEALED:
                wrong.append("%d: trouble %d" % (i, trouble))
            continue
        if out == content:
            continue
        changed += 1
        before, after = email.message_from_bytes(content), email.message_from_bytes(out)
        if tree(before) != tree(after):
            wrong.append("%d: trees differ" % i)
        else:
            wrong += ["%d: %s" % (i, words) for words in left_over(after, before)]
    if wrong and "MIME_KEEP" in os.environ:
        i = int(wrong[0].split(":")[0])
        open(os.environ["MIME_KEEP"], "wb").write(contents[i])
        open(os.environ["MIME_KEEP"] + ".out", "wb").write(results[i][1])
    t.ok(not wrong, words, "\n".join(wrong[:10]))
    t.note("%d mails, %d changed, %d could not be" % (len(contents), changed, failed))
    return changed


def generated(t):
    maker = Maker(SEED)
    changed = same_trees(t, "%d generated mails decode to what they were (case 533)" % COUNT,
                         [maker.mail() for _ in range(COUNT)])
    t.ok(changed > COUNT // 3, "many of them had to be changed", changed)


def corpus(t):
    contents = [mails.canonical(c) for _, c in mails.SHAPES.values()]
    same_trees(t, "so does each mail of tests/mail", contents, may_fail=True)
    eights = [c.replace(b"Content-Transfer-Encoding: 7bit", b"Content-Transfer-Encoding: 8bit") for c in contents]
    same_trees(t, "and each that is said to be 8bit", eights, may_fail=True)


# --- DKIM ---------------------------------------------------------------------------------------------------------

def signatures(t):
    by, maker, signed, forms = signer.Signer(), Maker(SEED + 1), [], []
    while len(signed) < 200:
        how = len(signed) % 4
        forms.append([(b"simple" if how & 1 else b"relaxed", b"simple" if how & 2 else b"relaxed")])
        signed.append(by.sign(maker.mail(), forms[-1]))
    wrong, kept, broken = [], 0, 0
    for i, (content, (trouble, out)) in enumerate(zip(signed, convert(signed))):
        holds = trouble == NO_TROUBLE and by.holds(out, forms[i]) == [True]
        if out == content:
            kept += 1
            if not holds:
                wrong.append("%d: nothing was changed, and it does not verify" % i)
        elif holds:
            wrong.append("%d: it was changed, and it verifies" % i)
        else:
            broken += 1
    t.ok(not wrong and kept > 20, "a signature holds where nothing needs a change", "\n".join(wrong[:10]))
    t.note("%d signed, %d untouched, %d changed" % (len(signed), kept, broken))


def main():
    t = tap.Tap("mime")
    corpus(t)
    generated(t)
    signatures(t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
