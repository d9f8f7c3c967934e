#!/bin/sh
# harness.sh - the corpus and the sinks tell the truth; see harness.py.
# once: generator and sinks are judged, and no engine runs
exec python3 -B "$(dirname "$0")/harness.py"
