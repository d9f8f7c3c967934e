#!/bin/sh
# limits.sh - resource limits, storms of signals, descriptors; see limits.py.
# alone: memory and time have limits here, and the machine has two processors
exec python3 -B "$(dirname "$0")/limits.py" "$@"
