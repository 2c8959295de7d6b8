"""What is called in the place of a function of torch, so that it is recorded whole or spared values."""
