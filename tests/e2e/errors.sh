#!/bin/sh
# errors.sh - bad input and bad surroundings, each with its diagnosis; see errors.py.
exec python3 -B "$(dirname "$0")/errors.py" "$@"
