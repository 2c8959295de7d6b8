"""Expands documents to blocks: the types of sections, items, bodies, parameters and custom blocks."""
