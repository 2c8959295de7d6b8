"""The files of a run folder: atomic writes, the lock, validated reads."""
