#!/bin/sh
# canary.sh - the kill campaign notices relays that lose, alter or repeat mail; see canary.py.
exec python3 -B "$(dirname "$0")/canary.py"
