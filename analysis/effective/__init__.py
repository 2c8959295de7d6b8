"""What a unit really looks at: path counts without torch, gradients with it, pictures of both."""
