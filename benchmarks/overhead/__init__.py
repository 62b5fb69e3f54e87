"""What the machinery around the agents costs: Milepost beside two frameworks, without any model.

``python -m benchmarks.overhead`` measures and writes ``benchmarks/results/overhead.json``, the page and its plots.
"""
