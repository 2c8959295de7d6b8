"""How a stranger's module is run and left exactly as it was. Imports nothing of the project but errors."""
