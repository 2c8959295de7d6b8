"""What one asks of a spec or of any module: report, constraints, comparison, proof."""
