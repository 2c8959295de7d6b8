"""The command that runs networks against the clock."""
