"""Hostile input against a whole server in virtual time: SIP, SDP, RTP, RTCP, sound files."""
