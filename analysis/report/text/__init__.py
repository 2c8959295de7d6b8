"""A report as text: tables, totals, number formatting."""
