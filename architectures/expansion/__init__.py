"""From a document to blocks: the sections' types, items taken apart, the spec's own blocks, all written out."""
