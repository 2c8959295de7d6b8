"""Writes the items of a network as the document of a spec: ids, sources, head and defaults. Free of torch."""
