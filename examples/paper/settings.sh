# What the steps work with. Each is a default: set it beforehand to change it, as small.sh does.
: "${CORPUS:=corpus/*.jsonl.zst}"   # cleaned text: keys id and text
: "${OUT:=paper}"                   # everything that is made
: "${RUN_FLAGS:=}"                  # of gemix run, over domains.yaml
: "${VOCABULARY:=32768}"            # tokens of the tokenizer of the run

: "${BUDGET:=25000000000}"          # tokens that a model is trained on
: "${EPOCHS:=4}"                    # passes over a domain, at most

: "${REGMIX_RUNS:=512}" "${REGMIX_HELD_OUT:=64}" "${REGMIX_PRESET:=1m}" "${REGMIX_TOKENS:=1000000000}"
: "${DOREMI_ROUNDS:=1}" "${DOREMI_PRESET:=280m}" "${DOREMI_TOKENS:=5600000000}"
: "${PERF_PRESET:=60m}" "${PERF_TOKENS:=1200000000}"

: "${PROBE_FLAGS:=--mixtures 256 --seeds 3 --budget 2000000}"

: "${TRAINER:=litgpt}"              # or gemix: one GPU or CPU, no restart
: "${PRESET:=1.1b}"                 # of the trainer gemix
: "${EVAL_FLAGS:=--batch-size 32}"

STRATEGIES="natural regmix doremi perf"
export VOCABULARY BUDGET REGMIX_RUNS REGMIX_HELD_OUT REGMIX_PRESET REGMIX_TOKENS DOREMI_ROUNDS DOREMI_PRESET DOREMI_TOKENS \
    PERF_PRESET PERF_TOKENS PRESET
