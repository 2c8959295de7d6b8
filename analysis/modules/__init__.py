"""How a stranger's module is run and left exactly as it was. Imports `blocks` only."""
