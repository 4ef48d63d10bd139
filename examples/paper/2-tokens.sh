#!/usr/bin/env bash
# The labelled corpus as tokens by domain: of the proxies, and of the models.
set -euo pipefail
here=$(dirname "$0"); . "$here/settings.sh"

gemix proxy prepare --labels "$OUT/run/labels" --out "$OUT/tokens"
