"""How long a network takes on this machine: engines, timing, and the model of its operators."""
