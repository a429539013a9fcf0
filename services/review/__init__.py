"""Review: records the one decision about each run's preview.

Owns reviews, their deadlines and the history of decisions. Consumes preview-ready, decision-submitted, episode-changed.
Publishes accepted, rejected, review-updated.
"""
