"""The film's sound: stems decoded once, mixed in chunks, measured and limited (ITU-R BS.1770-5), encoded to AAC."""
