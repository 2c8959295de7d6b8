"""Text to plain data that knows its places, and the errors that name them. Recipes use it too. No torch."""
