"""What review does, one file per aggregate."""
