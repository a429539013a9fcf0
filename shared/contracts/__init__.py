"""The public contracts: topics, events by owner, envelope, model catalogue, messages by code.

It imports nothing else of the project, so other consumers can use it on its own.
"""
