#!/bin/sh
# tables.sh - a tcp: table behind the engine, and a DNS server that does not validate; see tables.py.
exec python3 -B "$(dirname "$0")/tables.py" "$@"
