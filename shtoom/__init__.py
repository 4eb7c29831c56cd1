"""Telephony for Twisted: SIP, SDP, RTP, codecs and media; usable without Doug."""
