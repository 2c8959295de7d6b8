"""A study in Optuna's storage: a queue of candidates, each trained to its end exactly once."""
