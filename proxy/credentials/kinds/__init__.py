"""One file for each kind of credential binding."""
