#!/bin/sh
# tls.sh - the engine speaks TLS with servers of another library; see tls.py.
exec python3 -B "$(dirname "$0")/tls.py" "$@"
