"""Open specs: documents in which some values are still to be chosen."""
