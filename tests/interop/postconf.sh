#!/bin/sh
# postconf.sh - ringpost config says what the real postconf says of the same main.cf; see postconf.py.
# alone: Postfix has one directory
exec python3 -B "$(dirname "$0")/postconf.py"
