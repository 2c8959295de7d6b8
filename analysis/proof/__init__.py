"""Compares every number of a report with a measurement on the network."""
