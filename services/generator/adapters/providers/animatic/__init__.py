"""The offline provider's media engine: camera moves over a photograph, drawn storyboard cards, speech and a score.

`engine` is the way in. Everything heavy runs in child processes, so that the caller's event loop stays free and a
run can be cancelled at any moment.
"""
