#!/bin/sh
# kill.sh - the short form of the kill campaign, for every test run: kill.sh [KILLS] (default 25).
# The long form is tools/kill-loop --kills 500.
# alone: it kills at moments of its own choosing
exec python3 -B "$(dirname "$0")/kill.py" --kills "${1:-25}"
