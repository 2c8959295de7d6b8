"""Candidates of an open spec, trained: one study that any number of workers share."""
