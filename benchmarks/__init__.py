"""Benchmarks of speed, quality and resumption: `python -m benchmarks.NAME [--quick]`."""
