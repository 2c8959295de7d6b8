"""One report a network: costs, fields, memory, and the tables that print them. No torch."""
