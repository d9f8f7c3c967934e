"""mails - the mail we test with: hand-shaped small ones and any number of random ones

A mail is its content in wire form: CRLF line ends, not dot-stuffed, without the final dot.

SHAPES    name -> (words, content); `tests/mail/make shapes` writes them to tests/mail/*.wire
mails()   random mails from one seed: the same seed gives the same octets on every machine
ID        every random mail carries `X-Ledger-Id: <24 octets>`; stamp() fills it in without
          changing the length

Memory: one mail at a time. Never: NUL, bare CR or bare LF, because a listener must refuse those.
"""

import base64
import math
import random

ID_WIDTH = 24
ID_BLANK = b"?" * ID_WIDTH
ID_FIELD = b"X-Ledger-Id: "

KB, MB = 1024, 1024 * 1024
# Weight, smallest, largest: most mail is short, a few carry a film. Sizes inside a class are log-uniform,
# so the mean is near 90 KB and 2,000 mails are about 190 MB.
SIZES = ((55, 1 * KB, 8 * KB), (30, 8 * KB, 64 * KB), (12, 64 * KB, 512 * KB), (3, 512 * KB, 5 * MB))
SIZES_SMALL = ((80, 1 * KB, 4 * KB), (18, 4 * KB, 16 * KB), (2, 16 * KB, 64 * KB))

WORDS = ("anchor barley candle dusk ember ferry gravel harbour inkwell juniper kettle lantern meadow "
     "nettle orchard pebble quarry ripple saddle thimble umbra velvet willow yarrow zephyr the a of "
     "and to in on with under before after without").split()
UTF8 = ("Grüße", "naïve", "Łódź", "Ελλάδα", "Привет", "東京", "مرحبا", "🚢", "façade", "smørrebrød")


def crlf(text):
    """Text written with \\n to wire form."""
    if isinstance(text, str):
        text = text.encode("utf-8")
    return text.replace(b"\n", b"\r\n")


def stamp(content, ident):
    """The same mail with another ledger id of the same length."""
    ident = ident.encode("ascii")
    assert len(ident) == ID_WIDTH, ident
    start = content.find(ID_FIELD)
    assert start >= 0
    start += len(ID_FIELD)
    return content[:start] + ident + content[start + ID_WIDTH:]


def canonical(content):
    """What must arrive: SMTP's DATA cannot carry a last line without its end, so that one gains CRLF."""
    if content and not content.endswith(b"\r\n"):
        return content + b"\r\n"
    return content


def stuff(content):
    """Content to what travels between 354 and its reply, final dot included (RFC 5321 4.5.2)."""
    content = canonical(content)
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..") + b".\r\n"


# ---- hand-shaped -----------------------------------------------------------------------------

SHAPES = {}


def shape(name, words, content):
    assert name not in SHAPES
    content = crlf(content) if isinstance(content, str) else content
    rest = content.replace(b"\r\n", b"")
    assert b"\r" not in rest and b"\n" not in rest and b"\0" not in rest, name
    SHAPES[name] = (words, content)


def head(subject, extra=""):
    return ("From: Alma Reed <alma@sender.example>\nTo: Bo Quill <bo@rcpt.example>\n"
        f"Subject: {subject}\nDate: Tue, 03 Mar 2026 09:15:00 +0000\n"
        f"Message-ID: <{subject.replace(' ', '.')}@sender.example>\n{extra}")


def mime(kind, encoding="7bit"):
    return f"MIME-Version: 1.0\nContent-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n"


def part(kind, body, encoding="7bit"):
    return f"Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n{body}"


def multipart(sub, boundary, parts, extra="", preamble="", epilogue=""):
    top = f"MIME-Version: 1.0\nContent-Type: multipart/{sub}; boundary=\"{boundary}\"{extra}\n\n{preamble}"
    return top + "".join(f"--{boundary}\n{p}\n" for p in parts) + f"--{boundary}--\n{epilogue}"


def b64(data):
    return base64.encodebytes(data).decode("ascii")


def noise(seed, count, alphabet=None):
    rng = random.Random(seed)
    alphabet = alphabet or [b for b in range(256) if b not in (0, 10, 13)]
    return bytes(rng.choices(alphabet, k=count))


def dot_at(offset):
    """A line that starts with a dot exactly at this offset of the content, its CRLF just before."""
    top = crlf(head(f"dot at {offset}")) + b"\r\n"
    fill = offset - 2 - len(top)
    lines = []
    while fill > 0:
        take = min(72, fill)
        if fill - take in (1, 2):	# a rest too short for a line of its own
            take -= 3
        lines.append(b"x" * (take if fill == take else take - 2))
        fill -= take
    content = top + b"\r\n".join(lines) + b"\r\n"
    assert len(content) == offset, (len(content), offset)
    return content + b".starts here\r\n.\r\n..\r\nend\r\n"


def shapes_plain():
    shape("plain", "one header block, three lines", head("plain") + "\nGood morning.\n\nAlma\n")
    shape("one-line", "a body of one line", head("one line") + "\nyes\n")
    shape("empty-body", "headers, the separator, nothing", head("empty body") + "\n")
    shape("no-separator", "headers only, no empty line", head("no separator"))
    shape("no-header", "starts with the empty line", "\nNo header field at all.\n")
    shape("no-header-text", "text that is neither header nor separator",
          "this is no header field\nnor is this\n")
    shape("nothing", "no octet at all", b"")
    shape("only-crlf", "one empty line", b"\r\n")
    shape("only-crlfs", "forty empty lines", b"\r\n" * 40)
    shape("one-octet", "a single letter without its line end", b"a")
    shape("no-final-newline", "the last line has no end", crlf(head("no final newline") + "\nlast")[:])
    shape("trailing-blank", "ends in twenty empty lines", head("trailing blank") + "\ntext\n" + "\n" * 20)
    shape("trailing-space", "blanks and tabs at line ends", head("trailing space") + "\na \nb\t\n   \n\t\n")
    shape("leading-blank", "three empty lines first", head("leading blank") + "\n\n\n\ntext\n")
    shape("from-lines", "lines that look like mbox separators",
          head("from lines") + "\nFrom here on\n>From there\nFrom alma@sender.example Tue Mar  3\n\nFrom x\n")
    shape("from-first", "a body whose first line is From_", head("from first") + "\nFrom the sea\n")
    shape("commands", "a body that speaks SMTP",
          head("commands") + "\nMAIL FROM:<x@y>\nRCPT TO:<z@y>\nDATA\nQUIT\n250 2.0.0 Ok\n354 go\nRSET\n")
    shape("format-flowed", "soft line ends (RFC 3676)", head("format flowed",
          mime("text/plain; charset=us-ascii; format=flowed; delsp=no"))
          + "\nA paragraph that goes on \nand on until it \nends.\n\n> quoted and \n> flowed\n\n-- \nAlma\n")
    shape("form-feed", "control characters other than CR, LF and NUL", head("form feed")
          + "\n\f\v\b\a\x1b[31mred\x1b[0m\x7f\n\x01\x02\x03\x1a\n")
    shape("mixed-ends", "tabs and blanks around line ends", head("mixed ends") + "\n\t\n \n\t \n.\t\n. \n")


def shapes_dots():
    shape("dot-lines", "lines that start with dots", head("dot lines") + "\n.a\n..b\n...c\n. d\n.\n..\n...\ne.\n")
    shape("dots-only", "a body of single dots", head("dots only") + "\n" + ".\n" * 60)
    shape("dots-double", "a body of double dots", head("dots double") + "\n" + "..\n" * 60)
    shape("dot-first", "the content starts with a dot", ".first: not a field\n\nbody\n")
    shape("dot-alone", "the content is one dot", ".\n")
    shape("dot-dot", "the content is two dots", "..\n")
    shape("dot-last", "the last line is a dot", head("dot last") + "\ntext\n.\n")
    shape("dot-no-end", "ends in a dot without line end", crlf(head("dot no end") + "\ntext\n."))
    shape("dot-header", "a folded header whose next line starts with blank and dot",
          head("dot header", "X-Dots: a\n .\n ..\n\t.b\n") + "\n.\n")
    shape("dot-comb", "a dot line every few octets over 66 KB, so every buffer border meets one",
          crlf(head("dot comb") + "\n" + "".join("." * (i % 4 + 1) + "x" * (i % 7) + "\n" for i in range(9000))))
    for offset in (4095, 4096, 4097, 16383, 16384, 16385):
        shape(f"dot-at-{offset}", f"a dot line at offset {offset}", dot_at(offset))
    shape("crlf-at-4096", "a line end across offset 4096", crlf(head("crlf at 4096")) + b"\r\n"
          + b"y" * (4095 - len(crlf(head("crlf at 4096"))) - 2) + b"\r\n.tail\r\n")


def shapes_lines():
    for size in (76, 997, 998, 999, 1000, 2000):
        shape(f"line-{size}", f"lines of {size} octets without their ends",
              head(f"line {size}") + "\n" + ("l" * size + "\n") * 3 + "." * size + "\n")
    shape("line-8k", "one line of 8,192 octets", head("line 8k") + "\n" + "m" * 8192 + "\n")
    shape("line-70k", "one line of 70,000 octets", head("line 70k") + "\n" + "n" * 70000 + "\n")
    shape("line-8bit", "a long line of two-octet characters", head("line 8bit",
          mime("text/plain; charset=utf-8", "8bit")) + "\n" + "é" * 700 + "\n")
    shape("many-headers", "three hundred fields", head("many headers",
          "".join(f"X-Field-{i:03d}: value {i}\n" for i in range(300))) + "\nbody\n")
    shape("folded", "a field folded over two hundred lines", head("folded",
          "References:\n" + "".join(f" <part.{i:04d}@sender.example>\n" for i in range(200))) + "\nbody\n")
    shape("folded-odd", "fields folded with tabs, blanks and odd case", head("folded odd",
          "x-ODD:one\n\ttwo\n  three\n \t four\nX-Empty:\nX-Blank: \nX-Colon: a:b:c\n") + "\nbody\n")
    shape("long-to", "a To of six hundred mailboxes", "From: alma@sender.example\nTo: "
          + ",\n\t".join(f"person{i:03d}@rcpt.example" for i in range(600)) + "\nSubject: long to\n\nhello all\n")
    shape("long-field", "an unfolded field of 2,000 octets", head("long field", "X-Long: " + "w" * 2000 + "\n")
          + "\nbody\n")
    shape("received-many", "twenty Received fields of earlier hops", "".join(
          f"Received: from h{i}.example (h{i}.example [192.0.2.{i}])\n\tby h{i + 1}.example with ESMTP id Q{i};\n"
          f"\tTue, 03 Mar 2026 09:{i:02d}:00 +0000\n" for i in range(20)) + head("received many") + "\nbody\n")


def shapes_mime():
    text = part("text/plain; charset=us-ascii", "plain words\n")
    html = part("text/html; charset=us-ascii", "<p>plain <b>words</b></p>\n")
    shape("alternative", "text and HTML", head("alternative") + multipart("alternative", "b1", [text, html]))
    shape("mixed", "text with an attachment", head("mixed") + multipart("mixed", "b2", [text, part(
          "application/octet-stream; name=a.bin", b64(noise(1, 3000)), "base64")]))
    inner = multipart("alternative", "in", [text, html]).split("\n", 1)[1]
    shape("nested", "alternative inside related inside mixed", head("nested") + multipart("mixed", "out", [
          multipart("related", "mid", [inner, part("image/png", b64(noise(2, 500)), "base64")]).split("\n", 1)[1]]))
    shape("preamble", "text before the first and after the last boundary", head("preamble") + multipart("mixed",
          "b3", [text], preamble="This is for old readers.\n.\n", epilogue="after\n.\n"))
    shape("boundary-odd", "a boundary of seventy odd characters", head("boundary odd") + multipart("mixed",
          "=_" + "'()+_,-./:=?" * 5 + "12345678", [text, html]))
    shape("boundary-dot", "boundary lines that start with dots in the text", head("boundary dot")
          + multipart("mixed", ".", [part("text/plain", ".\n--\n.--\n--..\n")]))
    shape("base64", "a whole body in base64", head("base64", mime("application/pdf", "base64")) + "\n"
          + b64(noise(3, 4000)))
    shape("quoted-printable", "soft ends, escapes, dots", head("quoted printable",
          mime("text/plain; charset=utf-8", "quoted-printable"))
          + "\nGr=C3=BC=C3=9Fe =\n=2E\n.=\n.\n=\ntrailing=20\n=3D=0D=0A\n")
    shape("message-rfc822", "a mail in a mail", head("message rfc822", mime("message/rfc822")) + "\n"
          + head("the inner one") + "\ninner body\n.\n")
    shape("delivery-status", "the shape of a report (RFC 3464)", head("delivery status") + multipart("report", "r1", [
          text, part("message/delivery-status", "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; "
          "a@b.example\nAction: failed\nStatus: 5.1.1\n"), part("message/rfc822", head("original") + "\n")],
          extra="; report-type=delivery-status"))
    shape("signed", "the structure of multipart/signed (RFC 1847)", head("signed") + multipart("signed", "s1", [
          part("text/plain; charset=us-ascii", "Every octet counts here, \neven this blank: \n\n"),
          "Content-Type: application/pgp-signature; name=signature.asc\n\n-----BEGIN PGP SIGNATURE-----\n\n"
          + b64(noise(4, 200)) + "-----END PGP SIGNATURE-----\n"],
          extra=";\n micalg=pgp-sha256; protocol=\"application/pgp-signature\""))
    shape("dkim-field", "a signature field with folded base64", "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple;\n"
          "\td=sender.example; s=s1; h=from:to:subject;\n\tbh=" + b64(noise(5, 32)).strip() + ";\n\tb="
          + b64(noise(6, 128)).strip().replace("\n", "\n\t ") + "\n" + head("dkim field") + "\nbody\n")
    shape("calendar", "an invitation", head("calendar", mime("text/calendar; method=REQUEST; charset=utf-8", "8bit"))
          + "\nBEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nSUMMARY:Café\nEND:VEVENT\nEND:VCALENDAR\n")


def shapes_8bit():
    shape("8bit-utf8", "8-bit body in UTF-8", head("8bit utf8", mime("text/plain; charset=utf-8", "8bit"))
          + "\n" + "\n".join(UTF8) + "\n")
    shape("8bit-latin1", "8-bit body in ISO 8859-1", crlf(head("8bit latin1",
          mime("text/plain; charset=iso-8859-1", "8bit")) + "\n") + b"Gr\xfc\xdfe aus K\xf6ln\r\n\xff\xfe\xa0\x80\r\n")
    shape("8bit-binaryish", "every octet but NUL, CR and LF, many times", crlf(head("8bit binaryish",
          mime("application/octet-stream", "8bit")) + "\n") + b"".join(noise(i, 600) + b"\r\n" for i in range(12)))
    shape("8bit-broken", "stray UTF-8 continuation and surrogate octets", crlf(head("8bit broken") + "\n")
          + b"\x80\xbf\xc0\xaf\xed\xa0\x80\xf8\x88\x80\x80\x80\xff\r\n.\xff\r\n")
    shape("utf8-headers", "header fields in UTF-8",
          "From: Ægir Þór <aegir@sender.example>\nTo: 東京 <tokyo@rcpt.example>\n"
          "Subject: " + " ".join(UTF8) + "\nX-Ünïcode: ja\n\nbody\n")
    shape("encoded-words", "header fields in encoded words (RFC 2047)",
          "From: =?utf-8?q?Al=C3=A9?= <a@sender.example>\n"
          "To: =?utf-8?b?" + base64.b64encode("Bööö".encode()).decode() + "?= <b@rcpt.example>\n"
          "Subject: =?utf-8?q?=F0=9F=9A=A2?=\n =?utf-8?q?_ahoy?=\n\nbody\n")
    shape("bom", "a body that starts with a byte order mark", head("bom") + "\n\ufefftext\n")


for fill in (shapes_plain, shapes_dots, shapes_lines, shapes_mime, shapes_8bit):
    fill()


# ---- random ----------------------------------------------------------------------------------

def sentence(rng):
    return " ".join(rng.choices(WORDS, k=rng.randint(4, 12)))


def lines_of(rng, size, pool):
    """About this many octets of lines drawn from a pool of prepared lines."""
    mean = sum(map(len, pool)) // len(pool) + 2
    return b"\r\n".join(rng.choices(pool, k=max(1, size // mean))) + b"\r\n"


def pool_text(rng):
    return [sentence(rng).encode() for _ in range(60)] + [b"", b"> quoted", b"From time to time"]


def pool_utf8(rng):
    return [(sentence(rng) + " " + rng.choice(UTF8)).encode() for _ in range(60)] + [b""]


def pool_dots(rng):
    return [b".", b"..", b"...", b".hidden", b". x", b"a.", b""] + [sentence(rng).encode() for _ in range(7)]


def pool_8bit(rng):
    return [noise(rng.getrandbits(32), rng.randint(1, 900)) for _ in range(40)]


def pool_long(rng):
    return [b"z" * rng.choice((1, 500, 997, 998)) for _ in range(20)] + [b"." * 998]


POOLS = {"text": pool_text, "utf8": pool_utf8, "dots": pool_dots, "8bit": pool_8bit, "long": pool_long}
KINDS = ("text", "text", "utf8", "dots", "8bit", "long", "attachment", "attachment", "html", "printable")


def body_of(rng, kind, size):
    """MIME fields and body of this kind, about this size."""
    boundary = b"=_%016x" % rng.getrandbits(64)
    if kind in POOLS:
        charset, encoding = {"utf8": ("utf-8", "8bit"), "8bit": ("iso-8859-1", "8bit")}.get(
            kind, ("us-ascii", "7bit"))
        fields = crlf(mime(f"text/plain; charset={charset}", encoding))
        return fields, lines_of(rng, size, POOLS[kind](rng))
    if kind == "printable":
        pool = [sentence(rng).encode() + b"=20=\r\n=E2=82=AC" for _ in range(20)] + [b".=", b"=2E"]
        return crlf(mime("text/plain; charset=utf-8", "quoted-printable")), lines_of(rng, size, pool)
    words = lines_of(rng, min(2000, size // 4), pool_text(rng))
    if kind == "html":
        other = b"Content-Type: text/html\r\n\r\n" + lines_of(rng, size - len(words),
            [b"<p>" + line + b"</p>" for line in pool_text(rng)])
        sub = b"alternative"
    else:
        data = rng.randbytes(max(1, (size - len(words)) * 3 // 4 * 76 // 78))
        other = (b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
             + base64.encodebytes(data).replace(b"\n", b"\r\n"))
        sub = b"mixed"
    fields = b'MIME-Version: 1.0\r\nContent-Type: multipart/%s; boundary="%s"\r\n' % (sub, boundary)
    body = b"--%s\r\n\r\n%s--%s\r\n%s--%s--\r\n" % (boundary, words, boundary, other, boundary)
    return fields, body


def random_size(rng, sizes):
    _, low, high = rng.choices(sizes, weights=[s[0] for s in sizes])[0]
    return int(math.exp(rng.uniform(math.log(low), math.log(high))))


def fit(content, size):
    """Cuts after a line or pads with lines, so that the stated limits hold exactly: 1 KB is 1,024 octets."""
    if len(content) > size:
        content = content[:content.rfind(b"\r\n", 0, size) + 2]
    while len(content) < size:
        left = size - len(content)
        if left == 1:		# no room for a line end of its own
            return content[:-2] + b"~\r\n"
        take = left if left <= 78 else 60
        content += b"~" * (take - 2) + b"\r\n"
    return content


def random_mail(rng, size):
    """One mail of exactly this many octets (at least 600), with a blank ledger id."""
    kind = rng.choice(KINDS)
    serial = rng.getrandbits(48)
    fields = crlf(f"Message-ID: <{serial:012x}@sender.example>\nFrom: Alma <alma@sender.example>\n"
              f"To: undisclosed-recipients:;\nSubject: {sentence(rng)[:60]}\n"
              f"Date: Tue, 03 Mar 2026 09:15:00 +0000\n") + ID_FIELD + ID_BLANK + b"\r\n"
    extra, body = body_of(rng, kind, max(1, size - len(fields) - 120))
    return fit(fields + extra + b"\r\n" + body, size)


def mails(seed, count, sizes=SIZES):
    """Yields count mails; each depends on the seed and its own number only."""
    for i in range(count):
        rng = random.Random(f"{seed}/{i}")
        size = random_size(rng, sizes)
        if sizes is SIZES and i < 2:	# both ends of the range are always there
            size = (1 * KB, 5 * MB)[i]
        yield random_mail(rng, size)
