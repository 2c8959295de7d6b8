"""Series and branches as items of a spec: each proposed, built by the registry and compared. No torch."""
