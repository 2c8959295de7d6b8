"""Every number of a report beside what is measured on the network."""
