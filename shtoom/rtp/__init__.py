"""RFC 3550 and RFC 4733 as values and machines: no socket, no clock."""
