#!/bin/sh
# auth.sh - who we are is told to the server it is meant for, and to nobody else; see auth.py.
exec python3 -B "$(dirname "$0")/auth.py" "$@"
