"""Open specs: documents in which some values are yet to be chosen."""
