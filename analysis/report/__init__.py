"""The report of a network: costs, fields, memory, and the tables that print them. No torch."""
