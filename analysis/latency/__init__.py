"""How long a network takes on a machine, by a model of its operators: torch-free."""
