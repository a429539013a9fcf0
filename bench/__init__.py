"""Benchmarks. Each compares Retake with a peer or a limit in the same run, and writes the raw numbers."""
