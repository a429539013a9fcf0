"""The read side: rows to the resources of the HTTP API, with a fixed number of queries per answer."""
