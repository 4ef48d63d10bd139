"""Which partition is a good coordinate system for mixing: losses over its mixtures, and how well they are predicted."""
