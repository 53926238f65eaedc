"""The composition root: the only place where stores, services, the listener and the pages meet."""
