"""An emulator of Replicate's HTTP API: `python -m tests.support.replicate --port N`. Free, scriptable, keeps accounts.

Written from Replicate's documentation and recorded answers, not from our adapter: its schemas are its own.
"""
