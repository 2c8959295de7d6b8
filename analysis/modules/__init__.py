"""Running third-party modules and leaving them exactly as they were. Imports `blocks` only."""
