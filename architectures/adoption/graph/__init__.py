"""A traced network in the language's own layers, and its series and branches. No torch."""
