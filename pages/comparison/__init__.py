"""Two or more networks side by side: their totals, their layers aligned, and what may not grow."""
