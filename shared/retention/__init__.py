"""The retention engine: how every service that owns objects deletes them.

A service declares its tables in its `retention.py`; the rules are pure functions in its domain, and the SQL is in its
store. `engine` marks, deletes, collects orphaned objects and explains what it would do; `jobs` runs it on a schedule;
`command` is the `gc` command. Retention periods are in `shared.contracts.retention`.
"""
