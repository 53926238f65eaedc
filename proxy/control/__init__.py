"""The HTTP API for people, operators and agents."""
