#!/bin/sh
# tls_peers.sh - TLS 1.2 and 1.3 with Postfix, Exim, OpenSMTPD, Sendmail and smtp-server; see tls_peers.py.
# alone: Postfix has one directory
# once: nearly all of its time is that of others' servers
exec python3 -B "$(dirname "$0")/tls_peers.py" "$@"
