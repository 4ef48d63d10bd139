"""What a trained model knows: multiple-choice questions, scored by lm-evaluation-harness."""
