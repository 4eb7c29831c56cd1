"""Who we are on the network: calls, and what is asked of a user agent outside them."""
