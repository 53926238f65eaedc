"""What comes back: leaks."""
