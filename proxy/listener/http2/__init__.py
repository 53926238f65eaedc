"""HTTP/2 towards agents: many calls on one connection, each judged as if it had come alone."""
