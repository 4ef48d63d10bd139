#!/usr/bin/env bash
# A model on each mixture, in the form of Hugging Face. An interrupted training goes on where it was (litgpt).
set -euo pipefail
here=$(dirname "$0"); . "$here/settings.sh"

if [ "$TRAINER" = litgpt ]; then
    python "$here/litdata_folders.py" "$OUT/tokens" "$OUT/litdata"
fi
for strategy in $STRATEGIES; do
    mixture="$OUT/mixtures/$strategy.json" model="$OUT/models/$strategy"
    if [ "$TRAINER" = gemix ]; then
        gemix proxy train --token-data "$OUT/tokens" --mixture "$mixture" --preset "$PRESET" --proxy-tokens "$BUDGET" --out "$model"
        continue
    fi
    gemix export "$mixture" --to litgpt --paths "$OUT/litdata/paths.json" --out "$OUT/litgpt/$strategy/mixture.py"
    PYTHONPATH="$OUT/litgpt/$strategy" litgpt pretrain tiny-llama-1.1b --config "$here/litgpt.yaml" \
        --data mixture.Mixture --train.max_tokens "$BUDGET" --out_dir "$OUT/litgpt/$strategy"
    litgpt convert_from_litgpt "$OUT/litgpt/$strategy/final" "$OUT/litgpt/$strategy/converted"
    python "$here/to_hf.py" "$OUT/litgpt/$strategy/converted/model.pth" "$OUT/tokens/tokenizer.json" "$model"
done
