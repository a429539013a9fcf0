"""Untrusted bytes are parsed in processes of their own: one per job, confined, and forked from a warm one."""
