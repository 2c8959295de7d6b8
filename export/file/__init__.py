"""One exported file: which network, in which form, checked how, with which card."""
