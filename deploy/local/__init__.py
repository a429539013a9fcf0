"""The whole system on one machine: embedded PostgreSQL and broker, the four services, and their supervisor.

`cli` declares the commands that `retake` registers, `commands` implements them, `supervisor` keeps the processes of
one data directory running, `parts` says how each of them is started, and `demo` makes the demonstration film.
"""
