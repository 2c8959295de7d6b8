"""How good a trained network is, what it says of images, and pictures of both."""
