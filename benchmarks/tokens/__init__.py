"""What the selection of context saves in input tokens, and how much of a prompt a cache of prefixes can serve.

``python -m benchmarks.tokens`` runs, counts and writes ``benchmarks/results/tokens.json``, the page and its plots.
"""
