"""A study in Optuna's storage: a queue of candidates, each of which is trained to its end once."""
