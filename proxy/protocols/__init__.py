"""Wire to call, and refusals back to the wire."""
