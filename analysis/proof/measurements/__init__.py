"""What torch itself says of a module: counts, memory, the support of gradients."""
