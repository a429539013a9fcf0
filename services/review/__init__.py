"""Review: the record of a decision, once per run.

Owns reviews, deadlines and history. Consumes preview-ready, decision-submitted, episode-changed.
Publishes accepted, rejected, review-updated.
"""
