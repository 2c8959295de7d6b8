"""Studies: candidates of an open spec, trained by any number of workers that share one study."""
