#!/bin/sh
# limits.sh - resource limits, storms of signals, descriptors; see limits.py.
exec python3 -B "$(dirname "$0")/limits.py" "$@"
