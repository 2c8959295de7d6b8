"""A report as text: tables, totals, numbers as they are printed."""
