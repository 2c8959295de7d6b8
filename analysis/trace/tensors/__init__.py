"""What is known of the tensors of a run: what they hold, which weights they are made of, what memory they share."""
