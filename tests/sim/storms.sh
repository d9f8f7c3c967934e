#!/bin/bash
# storms.sh - about a minute of storms, on the build that RINGPOST_BUILD names
exec "$(dirname "$0")/../../tools/sim" --seeds "${SIM_SEEDS:-2500}"
