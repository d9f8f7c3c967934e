#!/bin/sh
# postfix.sh - every mail of tests/mail reaches a real Postfix smtpd unaltered; see postfix.py.
# alone: Postfix has one directory
exec python3 -B "$(dirname "$0")/postfix.py" "$@"
