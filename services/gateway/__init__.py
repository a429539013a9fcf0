"""The gateway: accounts, projects, episodes, order, drafts, asset locks, batches, the read model, the SSE log.

Consumes everything that the other services publish. Publishes regenerate-requested, decision-submitted,
cancel-requested, episode-changed, compile-requested and import-requested.
"""
