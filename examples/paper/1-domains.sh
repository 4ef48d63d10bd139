#!/usr/bin/env bash
# From the corpus to a domain for every document.
set -euo pipefail
here=$(dirname "$0"); . "$here/settings.sh"

# shellcheck disable=SC2086 # flags are words
gemix run "$CORPUS" --config "$here/domains.yaml" --out "$OUT/run" $RUN_FLAGS
gemix stats "$OUT/run/labels" --reference "$OUT/run" --out "$OUT/stats"
gemix report "$OUT/run"
