#!/bin/sh
# harness.sh - the corpus and the sinks tell the truth; see harness.py.
exec python3 -B "$(dirname "$0")/harness.py"
