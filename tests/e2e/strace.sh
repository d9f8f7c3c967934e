#!/bin/sh
# strace.sh - one second under load, system calls thread by thread; see strace.py.
exec python3 -B "$(dirname "$0")/strace.py" "$@"
