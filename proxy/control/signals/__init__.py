"""Security events in and out: what others ended ends here, and what is ended here is told (SSF 1.0, CAEP 1.0)."""
