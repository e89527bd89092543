"""Table rows from events: distinct page views per user and URL, and each user's latest update."""
