"""Training-free proxies for the quality of a network, from the literature on architecture search."""
