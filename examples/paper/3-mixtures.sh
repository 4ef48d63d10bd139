#!/usr/bin/env bash
# Weights of the domains by the paper's three strategies, and the shares that the corpus has by nature.
set -euo pipefail
here=$(dirname "$0"); . "$here/settings.sh"

domains="$OUT/run/domains.csv"
training=(--budget "$BUDGET" --max-epochs "$EPOCHS")
# The paper takes what the strategies say: so does this, whatever the verdict.
taken=(--take unproven)
proxies=(--token-data "$OUT/tokens" --proxy transformer)

gemix mix natural "$domains" "${training[@]}" --out "$OUT/mixtures/natural.json"
gemix mix regmix "$domains" "${taken[@]}" "${training[@]}" "${proxies[@]}" --preset "$REGMIX_PRESET" --proxy-tokens "$REGMIX_TOKENS" \
    --runs "$REGMIX_RUNS" --check-runs "$REGMIX_HELD_OUT" --surrogate lightgbm \
    --swarm "$OUT/regmix" --out "$OUT/mixtures/regmix.json"
gemix mix doremi "$domains" "${taken[@]}" "${training[@]}" --token-data "$OUT/tokens" --preset "$DOREMI_PRESET" \
    --proxy-tokens "$DOREMI_TOKENS" --rounds "$DOREMI_ROUNDS" --record "$OUT/doremi" --out "$OUT/mixtures/doremi.json"
gemix mix perf "$domains" "${training[@]}" "${proxies[@]}" --preset "$PERF_PRESET" --proxy-tokens "$PERF_TOKENS" \
    --target mean --swarm "$OUT/perf" --out "$OUT/mixtures/perf.json"
