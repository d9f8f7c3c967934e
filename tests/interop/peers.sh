#!/bin/sh
# peers.sh - every mail of tests/mail reaches Exim, OpenSMTPD, Sendmail, Dovecot and smtp-server unaltered; see peers.py.
exec python3 -B "$(dirname "$0")/peers.py" "$@"
