"""canary - the kill campaign must notice an engine that loses, alters or repeats mail

Runs kill.py against tests/lib/standin.py, once honest and once with each of its faults, and demands the
right words from each: a loop that never fails proves nothing.
"""

import os
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
LIB = os.path.join(os.path.dirname(HERE), "lib")
sys.path.insert(0, LIB)
import tap  # noqa: E402

# fault -> the figure that must not be zero; None: every figure must be zero and the exit status 0
FAULTS = {
    "none": None,
    "early_250": "lost",
    "forget": "lost",
    "alter": "altered",
    "unstuffed": "altered",
    "twice": "unexplained",
    "quiet": "unexplained",
}


def figures(output):
    for line in output.splitlines():
        if line.startswith("kill: "):
            return dict(pair.split("=") for pair in line.split()[1:])
    return {}


def one(t, fault, want):
    env = dict(os.environ, RINGPOSTD="%s -B %s" % (sys.executable, os.path.join(LIB, "standin.py")))
    done = subprocess.run([sys.executable, "-B", os.path.join(HERE, "kill.py"), "--kills", "8", "--seed", "11",
                           "--rate", "300", "--engine-option", "standin_fault=" + fault], env=env,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=150, check=False)
    said = done.stdout.decode(errors="replace")
    got = figures(said)
    if want is None:
        t.ok(done.returncode == 0 and got, "an honest relay passes", said)
        return
    t.ok(done.returncode != 0 and int(got.get(want, 0)) > 0, "a relay with '%s' is caught as %s" % (fault, want), said)


def main():
    t = tap.Tap("canary")
    for fault, want in FAULTS.items():
        t.case("the relay with '%s' was judged" % fault, one, t, fault, want)
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
