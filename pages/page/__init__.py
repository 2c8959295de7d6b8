"""The page of one or more networks: a self-contained HTML file."""
