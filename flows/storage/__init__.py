"""The logs bucket, which is only read, and the results storage."""
