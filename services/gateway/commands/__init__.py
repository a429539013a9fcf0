"""What clients and jobs ask the gateway to do: one file per aggregate, one function per verb.

A route builds a command and calls its function with a `Store`, in the route's transaction. The function locks what it
changes, checks it, writes through the repositories, publishes events to the other services (`store.publish`), and logs
events for the clients' streams (`store.log`, built by `stream_events.py`). What it refuses, it raises as a `Refusal`.
"""
