"""What the services share of HTTP: health routes and time limits."""
