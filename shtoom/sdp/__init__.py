"""Session descriptions as values; offer and answer as pure functions (RFC 8866, RFC 3264)."""
