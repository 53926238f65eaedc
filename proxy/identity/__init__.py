"""Credentials in, verified principal and chain out."""
