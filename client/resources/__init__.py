"""The gateway's calls, grouped by what they act on."""
