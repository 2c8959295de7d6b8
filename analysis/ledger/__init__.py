"""What each layer adds to the receptive field, and at what cost. Free of torch."""
