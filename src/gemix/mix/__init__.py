"""Domains to weights: run tables, the simplex, surrogates, strategies. Imports nothing else of gemix."""
