#!/bin/sh
# peers.sh - every mail of tests/mail reaches Exim, OpenSMTPD, Sendmail, Dovecot and smtp-server unaltered; see peers.py.
# once: what each server makes of a mail is judged; our side of it runs under the sanitizers in postfix.sh and the dialogues
exec python3 -B "$(dirname "$0")/peers.py" "$@"
