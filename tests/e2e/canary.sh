#!/bin/sh
# canary.sh - the kill campaign notices relays that lose, alter or repeat mail; see canary.py.
# once: the relays are stand-ins in Python
exec python3 -B "$(dirname "$0")/canary.py"
