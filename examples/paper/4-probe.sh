#!/usr/bin/env bash
# Is the partition a good coordinate system for mixing? Beside others of the same documents.
set -euo pipefail
here=$(dirname "$0"); . "$here/settings.sh"

# shellcheck disable=SC2086 # flags are words
gemix probe "$OUT/run" --out "$OUT/probe" $PROBE_FLAGS
