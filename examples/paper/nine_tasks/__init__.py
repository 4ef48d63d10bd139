"""The nine tasks of GEM's paper, and task files of one's own, asked and scored by lm-evaluation-harness."""
