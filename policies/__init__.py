"""What is allowed: Cedar policies, compiled once, asked on every call. Imports nothing of ours."""
