"""What is said once a network has run: the names of its layers, the owners of its weights, where it stopped."""
