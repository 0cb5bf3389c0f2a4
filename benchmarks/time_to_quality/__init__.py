"""Seconds of training until samples are as good as a bound.

`python -m benchmarks.time_to_quality` measures; __main__.py says how.
"""
