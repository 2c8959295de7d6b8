"""The network as an engine runs it: its operators, their bytes in int8, and where these lie in memory."""
