"""Calls that wait for sign-off, votes, grants and attempts."""
