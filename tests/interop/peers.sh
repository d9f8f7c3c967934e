#!/bin/sh
# peers.sh - every mail of tests/mail reaches Exim, OpenSMTPD, Sendmail, Dovecot and smtp-server unaltered; see peers.py.
# alone: it runs two servers at a time itself
# once: what each server makes of a mail is judged; our side of it runs under the sanitizers in postfix.sh and the dialogues
#
# Without arguments two servers at a time: most of it is waiting for theirs to write files.
peers="$(dirname "$0")/peers.py"
[ $# -eq 0 ] || exec python3 -B "$peers" "$@"
python3 -B "$peers" --list | PEERS="$peers" xargs -d '\n' -n 1 -P 2 sh -c '
	said=$(python3 -B "$PEERS" --peer "^$1\$")
	rc=$?
	printf "%s\n" "$said"
	exit $rc' peers.sh
