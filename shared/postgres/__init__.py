"""PostgreSQL: pool, transactions, listener, deferred writes."""
