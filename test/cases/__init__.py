"""Cases from the field: the whole server, SIP and RTP, against what others' phones really did."""
