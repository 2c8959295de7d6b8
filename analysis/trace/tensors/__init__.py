"""What is known about the tensors of a run: their values, the weights they depend on, and shared memory."""
