#!/bin/sh
# dialogue.sh - the listener as a client by hand meets it, welcome and not; see dialogue.py.
exec python3 -B "$(dirname "$0")/dialogue.py" "$@"
