"""The network of a spec: built, saved, loaded, registered with timm."""
