"""What a search found, as data, tables, files and a picture."""
