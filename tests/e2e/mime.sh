#!/bin/sh
# mime.sh - what is made 7bit decodes to what it was; see mime.py. The system's python3 has dkimpy.
# once: the unit tests and the fuzzer have the stage under the sanitizers
exec /usr/bin/python3 -B "$(dirname "$0")/mime.py" "$@"
