"""Milliseconds a step, side by side: the package, plain loops, other libraries.

`python -m benchmarks.speed` measures; benchmarks/speed/__main__.py says how.
"""
