"""What happened: the call record, the transparency log, and every view made from them."""
