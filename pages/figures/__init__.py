"""Pictures of a report as matplotlib figures."""
