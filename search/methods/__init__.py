"""How a space is searched: exactly where it is in series, else candidate by candidate; kept in a folder."""
