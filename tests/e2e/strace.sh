#!/bin/sh
# strace.sh - one second under load, system calls thread by thread; see strace.py.
# alone: system calls are counted, and what is traced is slow
exec python3 -B "$(dirname "$0")/strace.py" "$@"
