"""What a line of a log is: decompression, splitting, and the rules that every record must obey."""
