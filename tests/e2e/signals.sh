#!/bin/sh
# signals.sh - TERM, a second TERM, INT and HUP in the middle of work; see signals.py.
exec python3 -B "$(dirname "$0")/signals.py" "$@"
