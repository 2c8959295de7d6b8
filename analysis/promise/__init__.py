"""What a network promises before it is trained: readings from the literature on searching without training."""
