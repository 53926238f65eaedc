"""The account of a call that an internal service receives with it: made here, and verified there."""
