"""What an event of another service changes in the read model and on the streams."""
