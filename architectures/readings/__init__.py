"""Readings of a spec or any module: report, constraint checks, comparison, proof."""
