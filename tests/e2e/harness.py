"""harness - the corpus and the sinks tell the truth before anyone is judged by them

The mails are what the generator says, stuffing and its undoing are inverse, and each hand-shaped mail
given straight to smtp-sink and to the ledger sink comes back octet by octet. An honest sink shows no
fault, a sink that drops after its commit shows unknown mail but none lost.
"""

import hashlib
import os
import subprocess
import sys

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import inject  # noqa: E402
import ledger  # noqa: E402
import mails  # noqa: E402
import sink as sink_file  # noqa: E402
import tap  # noqa: E402
import world  # noqa: E402

# Of mails(1, 40), one after the other. Another value means that seeds printed elsewhere replay nothing.
DIGEST = "6058c331bb8dddf7e34559e35a968f8257f1fdebb691180220cc58aad201a0f8"
TRACE = b"Received: from injector.test\r\n\tby engine.test;\r\n\tSun, 1 Mar 2026 00:00:00 +0000\r\n"


def corpus(t):
    made = subprocess.run([sys.executable, "-B", os.path.join(ROOT, "tests", "mail", "make"), "check"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    t.ok(made.returncode == 0, "the files of tests/mail are what the generator makes", made.stdout.decode())
    t.ok(len(mails.SHAPES) >= 60, "there are at least 60 shapes")
    wrong = [name for name, (_, c) in mails.SHAPES.items()
             if sink_file.unstuff(mails.stuff(c)[:-3]) != mails.canonical(c)]
    t.ok(not wrong, "taking off what stuffing put on gives every mail back", " ".join(wrong))
    many = list(mails.mails(1, 40))
    digest = hashlib.sha256(b"".join(many)).hexdigest()
    t.ok(digest == DIGEST, "a seed gives the same octets everywhere", digest)
    t.ok(len(many[0]) == 1024 and len(many[1]) == 5 << 20, "1 KB and 5 MB are among them")
    stamped = mails.stamp(many[0], "x" * mails.ID_WIDTH)
    t.ok(len(stamped) == len(many[0]) and stamped != many[0], "a stamp changes the id and no length")


def give(host, port, path, jobs):
    book = inject.Book(path)
    plan = inject.Plan(jobs)
    crew = [inject.Injector(plan, book, host, port, 30) for _ in range(4)]
    for one in crew:
        one.start()
    for one in crew:
        one.join(60)
    book.flush()
    return book


def traced(contents):
    """Sinks take one Received field off the top, so there has to be one; its digest is known without it."""
    for i, content in enumerate(contents):
        yield inject.Job(TRACE + content, ["a.test"] * (i % 3 + 1), False, i % 2 == 0)


def offered_without_trace(book, contents):
    """The injector's digests are of what it sent; the sinks' are of what is left."""
    known = {hashlib.sha256(mails.canonical(TRACE + c)).hexdigest(): hashlib.sha256(mails.canonical(c)).hexdigest()
             for c in contents}
    book.offered = {i: o._replace(sha=known.get(o.sha, o.sha)) for i, o in book.offered.items()}
    return book


def sinks(stage, t):
    net = world.Net()
    contents = [content for _, content in mails.SHAPES.values()]
    dump = stage.add(world.DumpSink(stage, net.address(1), net.port))
    give(dump.host, dump.port, stage.path("dump.ledger"), traced(contents))
    book = offered_without_trace(ledger.Ledger().read(stage.path("dump.ledger")), contents)
    world.dumps_to_ledger(dump, book)
    verdict = ledger.check(book, ledger.Log())
    t.ok(verdict.good() and verdict.messages == len(contents) and verdict.duplicates == 0,
         "each shape comes back from smtp-sink's dumps octet by octet", verdict.line() + "\n" + "\n".join(verdict.examples))

    path = stage.path("strict.ledger")
    strict = stage.add(world.LedgerSink(stage, ["%s:%d" % (net.address(2), net.port)], path))
    give(net.address(2), net.port, path, traced(contents))
    verdict = ledger.check(offered_without_trace(ledger.Ledger().read(path), contents), ledger.Log())
    t.ok(verdict.good() and verdict.messages == len(contents) and verdict.duplicates == 0,
         "each shape comes back from the ledger sink octet by octet", verdict.line() + "\n" + "\n".join(verdict.examples))
    strict.stop()
    t.ok(" no_trace=0 bare_lf=0 " in strict.figures(), "the ledger sink took one Received field off each", strict.figures())
    rude_sink(stage, t, net)


def rude_sink(stage, t, net):
    path = stage.path("rude.ledger")
    stage.add(world.LedgerSink(stage, ["%s:%d" % (net.address(3), net.port)], path, [
        "--tempfail", "0.1", "--tempfail-rcpt", "0.1", "--drop-before", "0.05", "--drop-after", "0.05"]))
    contents = [TRACE + content for content in mails.mails(5, 300, mails.SIZES_SMALL)]
    book = give(net.address(3), net.port, path, inject.random_jobs(contents, ["a.test", "b.test"], bdat=0))
    merged = ledger.Ledger().read(path)
    verdict = ledger.check(merged, ledger.Log())
    t.ok(verdict.lost == 0 and verdict.invented == 0 and verdict.uninvited == 0,
         "a rude sink loses nothing that it accepted", verdict.line() + "\n" + "\n".join(verdict.examples))
    t.ok(book.count["unknown"] > 0 and book.count["refused"] > 0, "and its rudeness shows in the ledger", book.summary())


def main():
    t = tap.Tap("harness")
    with e2e.Stage("harness") as stage:
        t.case("the corpus was looked at", corpus, t)
        t.case("the sinks were tried", sinks, stage, t)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
