"""The page of one network, or of several: one HTML file that needs nothing else."""
