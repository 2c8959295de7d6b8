"""A traced network as layers of the spec language, with its series and branches. Free of torch."""
