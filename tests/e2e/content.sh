#!/bin/sh
# content.sh - large content, changed on its way, in bounded memory; see content.py.
# alone: it looks at memory while a gigabyte passes
exec python3 -B "$(dirname "$0")/content.py" "$@"
