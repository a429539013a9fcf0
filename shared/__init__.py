"""Mechanisms that every service shares; business words live only in `shared.contracts`."""
