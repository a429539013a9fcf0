"""The gateway's PostgreSQL: one repository per aggregate, with its SQL next to the code that runs it."""
