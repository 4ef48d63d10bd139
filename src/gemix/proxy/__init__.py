"""Small language models that stand for a large one: how good is a mixture, measured before the real training."""
