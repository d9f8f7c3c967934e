#!/bin/sh
# tls_agree.sh [COUNT [SEED]] - chains and TLSA records by the hundred: do we say what OpenSSL says? See tls_agree.py.
exec /usr/bin/python3 -B -W ignore "$(dirname "$0")/tls_agree.py" "${RINGPOST_BUILD:-build}/tests/tls_agree" "$@"
