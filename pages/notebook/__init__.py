"""What a notebook shows of specs, reports, differences and networks."""
