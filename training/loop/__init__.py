"""What Lightning's Trainer runs in each step and epoch."""
