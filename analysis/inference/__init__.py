"""A network as an inference engine runs it: operators, their int8 sizes, and memory layout."""
