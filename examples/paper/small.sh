# The same steps in small, to see that all is there: `. examples/paper/small.sh`, then run them.
export CORPUS="${CORPUS:-demo/corpus}" OUT="${OUT:-small}"
export RUN_FLAGS="--sample-bytes 2400000 --embedder lsa --clusters 8"
export BUDGET=300000 EPOCHS=8
export REGMIX_RUNS=12 REGMIX_HELD_OUT=4 REGMIX_PRESET=tiny REGMIX_TOKENS=30000
export DOREMI_ROUNDS=1 DOREMI_PRESET=tiny DOREMI_TOKENS=30000 PERF_PRESET=tiny PERF_TOKENS=30000
export PROBE_FLAGS="--mixtures 24 --seeds 1 --partitions gem,random --budget 20000"
export TRAINER=gemix PRESET=tiny
EVAL_FLAGS="--task-file $(dirname "${BASH_SOURCE[0]}")/small.jsonl"
export EVAL_FLAGS
