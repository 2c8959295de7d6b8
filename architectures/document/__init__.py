"""Parses text to plain data with positions, and errors that point to them; also for recipes. Free of torch."""
