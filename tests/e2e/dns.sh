#!/bin/sh
# dns.sh - names that cannot be found, hosts that say later, retries and the end of patience; see dns.py.
exec python3 -B "$(dirname "$0")/dns.py" "$@"
