"""The path of a call, from the agent's connection to the upstream and back."""
