"""RFC 3261 without usages: messages, transactions, dialogs, transports."""
