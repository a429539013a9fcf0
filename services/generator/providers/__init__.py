"""Providers: one folder each; `base` is their port."""
