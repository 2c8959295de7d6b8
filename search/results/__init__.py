"""The results of a search, as data, tables, files and a plot."""
