#!/bin/sh
# dane.sh - DANE with zones that nsd serves and unbound validates; see dane.py.
exec python3 -B "$(dirname "$0")/dane.py" "$@"
