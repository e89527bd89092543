"""What is stored of parsed log objects: units, manifests and accounts; and what is left to do."""
