"""The files of a run's folder: written whole, locked, read back with care."""
