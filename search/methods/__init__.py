"""Search methods: exact for spaces in series, else enumeration or sampling; with a journal for resuming."""
