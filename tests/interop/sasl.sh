#!/bin/sh
# sasl.sh - AUTH with each mechanism to a Postfix that asks Cyrus SASL, and to one that asks Dovecot; see sasl.py.
# alone: Postfix has one directory
# once: it is the peers that are judged; our side runs under the sanitizers in unit tests, dialogues and fuzz_auth
exec python3 -B "$(dirname "$0")/sasl.py" "$@"
