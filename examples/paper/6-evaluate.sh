#!/usr/bin/env bash
# The table: nine tasks, three groups, a column for each model.
set -euo pipefail
here=$(dirname "$0"); . "$here/settings.sh"

models=()
for strategy in $STRATEGIES; do models+=("$OUT/models/$strategy"); done
# shellcheck disable=SC2086 # flags are words
python "$here/score.py" "${models[@]}" $EVAL_FLAGS
