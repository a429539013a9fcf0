"""Generator: makes versions of assets, and moves the pointer to the committed one.

Owns: runs, versions, the committed pointer, their objects, provider calls and what they cost.
Consumes: regenerate-requested, accepted, rejected, review-updated, cancel-requested, episode-changed, import-requested.
Publishes: progress, preview-ready, failed, complete, import-ready.
"""
