"""The public contracts: topics, events by owner, envelope, model catalogue, messages by code.

Imports nothing else of the project, so that any consumer can take it as it is.
"""
