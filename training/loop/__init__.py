"""The training loop: Lightning's Trainer, the task that it runs, and its data loaders."""
