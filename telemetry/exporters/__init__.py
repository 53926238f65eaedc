"""Ways out for copies of what the log holds. All are best effort and off the path of a call."""
