"""The network that a spec describes: built, saved, loaded, registered with timm."""
