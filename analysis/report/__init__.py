"""The report of a network: costs, fields, memory, and the tables that show them. Free of torch."""
