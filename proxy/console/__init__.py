"""The web pages for owners and the SOC."""
