"""What each layer adds to the field, and at what price. No torch."""
