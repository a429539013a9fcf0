"""Benchmarks: each holds what we do against a peer or a limit, in the same run, and writes the raw numbers."""
