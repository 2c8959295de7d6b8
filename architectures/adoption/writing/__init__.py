"""The items of a network as the document of a spec: with ids, sources, a head and defaults. No torch."""
