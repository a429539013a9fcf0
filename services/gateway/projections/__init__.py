"""What an event of another service changes in the gateway's database and on the clients' streams.

`consumers.py` calls the functions with the `Store` of the batch's transaction. Events may arrive late, twice, or before
an event of another topic: states only move forward, and an old event changes nothing.
"""
