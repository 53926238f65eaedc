"""The token endpoint: who shows themselves gets a task token, for no more and no longer than they may have."""
