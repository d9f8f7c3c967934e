#!/bin/sh
# tls_ends.sh - TLS that ends where nobody expects it; see tls_ends.py.
exec python3 -B "$(dirname "$0")/tls_ends.py" "$@"
