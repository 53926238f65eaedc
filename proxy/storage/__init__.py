"""Where state lives. Implements the interfaces of those who need them."""
