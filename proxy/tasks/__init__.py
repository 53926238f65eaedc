"""Revocation epochs and the kill switch."""
