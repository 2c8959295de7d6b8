"""Recognizes series and branches as items of a spec: proposed, built by the registry, compared. Free of torch."""
