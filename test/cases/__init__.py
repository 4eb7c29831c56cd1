"""Cases from the field: the whole server, SIP and RTP, against what others' phones really did.

Each case is a test whose name begins with the case's (parse-001: test_parse_001_...), here or
beside the unit that it is about. Those of features that are not there yet stand in NOT_YET, with
the feature; test_every_case.py holds both against the files of cases.
"""

NOT_YET = {
    "early-004": "100rel, as the caller",
    "early-006": "100rel, as the caller",
    "transfer-002": "transfers of our own",
    "transfer-003": "transfers of our own",
}
"""Case -> the feature that it waits for. Whoever builds that writes the test and takes it out."""
