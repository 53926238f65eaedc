"""How real upstream secrets are obtained and injected."""
