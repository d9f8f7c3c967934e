"""tap - lines a program and a person can read: `ok N - words`, `not ok N - words`

    t = tap.Tap("errors")
    t.ok(code == 78, "a bad line ends with exit 78", "it was %d" % code)
    sys.exit(t.end())

A claim is words that can be false. Details of a failure follow as comment lines. end() prints the plan
and returns the exit status; a script that died before has no plan, which counts as a failure.
"""

import sys
import traceback


class Tap:
    def __init__(self, name):
        self.name = name
        self.count = 0
        self.failed = 0

    def ok(self, truth, words, detail=""):
        self.count += 1
        if not truth:
            self.failed += 1
        print("%s %d - %s: %s" % ("ok" if truth else "not ok", self.count, self.name, words), flush=True)
        if not truth and detail:
            self.note(detail)
        return bool(truth)

    def note(self, text):
        for line in str(text).rstrip().split("\n"):
            print("# " + line, flush=True)

    def case(self, words, function, *args):
        """Runs one case; an exception is its failure and the next case still runs."""
        try:
            function(*args)
        except Exception as e:      # the report is the point
            self.ok(False, words, "%s: %s\n%s" % (type(e).__name__, e, traceback.format_exc(limit=-3)))

    def end(self):
        print("1..%d" % self.count, flush=True)
        sys.stdout.flush()
        return 1 if self.failed else 0
