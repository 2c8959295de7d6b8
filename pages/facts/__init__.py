"""What a page says of a network, as plain data."""
