"""Benchmarks, run by `make bench`. Most figures are ratios of alternatives measured in one run.

Nothing here is a test.
"""
