#!/bin/sh
# injection.sh - clients from outside, with other TLS libraries; see injection.py.
exec python3 -B "$(dirname "$0")/injection.py" "$@"
