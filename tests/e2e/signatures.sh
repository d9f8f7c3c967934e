#!/bin/sh
# signatures.sh - DKIM signatures outlive delivery; see signatures.py. The system's python3 has dkimpy.
exec /usr/bin/python3 -B "$(dirname "$0")/signatures.py" "$@"
