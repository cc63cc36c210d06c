"""Tasks: from a request to its pictures."""
