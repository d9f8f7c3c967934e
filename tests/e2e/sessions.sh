#!/bin/sh
# sessions.sh - two thousand sessions at a time to slow servers; see sessions.py.
# alone: it wants many sessions at one moment
exec python3 -B "$(dirname "$0")/sessions.py" "$@"
