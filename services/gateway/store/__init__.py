"""PostgreSQL: the store of the use cases, one file per aggregate, SQL beside the code that runs it."""
