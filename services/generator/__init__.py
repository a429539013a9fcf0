"""Generator: generates versions of assets and commits the accepted ones.

Owns: runs, versions, the committed pointer, their objects, provider calls and their cost.
Consumes: regenerate-requested, accepted, rejected, review-updated, cancel-requested, episode-changed, import-requested.
Publishes: progress, preview-ready, failed, complete, import-ready.
"""
