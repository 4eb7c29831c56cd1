"""Session descriptions as text and value: RFC 8866."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage
from shtoom.sdp.description import MediaDescription, SessionDescription, parseSDP
from shtoom.sdp.formats import Format

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"


def parse(text: str) -> SessionDescription:
    return parseSDP(text.encode("utf-8", "surrogateescape"))


def medium(lines: str, head: str = HEAD) -> MediaDescription:
    """The first medium of a description whose part from the m= line on is given."""
    return parse(head + lines).media[0]


class ParseTests(SynchronousTestCase):
    def test_linesSurviveByteForByte(self) -> None:
        """What was parsed is written as it stood, unknown lines and odd bytes too."""
        data = HEAD.encode() + b"x=?\r\na=tool:\xff\xfe\r\nm=audio 4000/2 RTP/AVP 0\r\ny=more\r\n"
        self.assertEqual(parseSDP(data).toBytes(), data)

    def test_lineEndsAndBlanksAreForgiven(self) -> None:
        """LF or CR alone, no end at all, blank lines, spaces at the end (9)."""
        lines = "m=audio 4000 RTP/AVP 0\r\na=sendonly"
        wanted = parse(HEAD + lines)
        for text in (
            (HEAD + lines).replace("\r\n", "\n"),
            (HEAD + lines).replace("\r\n", "\r"),
            HEAD + lines + "\r\n\r\n",
            (HEAD + lines).replace("\r\n", " \t\r\n"),
        ):
            self.assertEqual(parse(text), wanted)

    def test_hold_002(self) -> None:
        """A last line counts, with CRLF, LF or nothing behind it."""
        for end in ("", "\r\n", "\r\n\r\n"):
            self.assertEqual(
                medium("m=audio 4000 RTP/AVP 0\r\na=sendonly" + end).direction, "sendonly"
            )
        text = (HEAD + "m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n").replace("\r\n", "\n")
        self.assertEqual(parse(text).media[0].direction, "sendonly")

    def test_whatIsNoDescriptionIsRefused(self) -> None:
        """Each fault is named with what would have been right."""
        for text, words in (
            ("", "v=0 as the first line"),
            ("GET / HTTP/1.1\r\n\r\n", "a letter and an equals sign"),
            ("o=- 1 1 IN IP4 192.0.2.1\r\nv=0\r\n", "v=0 as the first line"),
            ("v=1\r\n", "v=0 as the first line"),
            (HEAD + "m=audio abc RTP/AVP 0\r\n", "type, port, profile and formats"),
            (HEAD + "m=audio -1 RTP/AVP 0\r\n", "type, port, profile and formats"),
            (HEAD + "m=audio ٣٣ RTP/AVP 0\r\n", "type, port, profile and formats"),
            (HEAD + "m=audio 4000 RTP/AVP\r\n", "type, port, profile and formats"),
            (HEAD + "m=audio 65536 RTP/AVP 0\r\n", "a port of 0 to 65535"),
            (HEAD + "c=IN IP4 1.2.3.999\r\n", "an IP address or a host name"),
            (HEAD + "c=IN IP4\r\n", "IN IP4 or IN IP6 and an address"),
            (HEAD + "c=IN IP6 fe80::1%eth0\r\n", "an IP address or a host name"),
        ):
            error = self.assertRaises(MalformedMessage, parse, text)
            self.assertIn(words, str(error), text)

    def test_limitsAreNamed(self) -> None:
        """64 KiB, 2000 lines, 64 m= lines, 128 c= lines, 128 formats a line, 1024 in all."""
        line = "m=audio 4000 RTP/AVP 0\r\n"
        many = " ".join(str(n % 128) for n in range(129))
        self.assertEqual(len(parse(HEAD + line * 64).media), 64)
        for text, words in (
            (HEAD + "a=" + "x" * 65536, "65536 bytes"),
            (HEAD + "a=x\r\n" * 1996, "2000 lines"),
            (HEAD + "\r\n" * 1996, "2000 lines"),
            (HEAD + "c=IN IP4 192.0.2.1\r\n" * 128, "128 c= lines"),
            (HEAD + line * 65, "64 m= lines"),
            (HEAD + f"m=audio 4000 RTP/AVP {many}\r\n", "128 formats"),
            (HEAD + f"m=audio 4000 RTP/AVP {many[:-2]}\r\n" * 8 + line, "1024 formats of all"),
        ):
            error = self.assertRaises(MalformedMessage, parse, text)
            self.assertIn(words, str(error))

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(
            st.sampled_from("voscbtmakxyz!").flatmap(
                lambda letter: st.text(
                    "0123456789 :/.-\t\r\n=IPNRTPAVaudiomptle\xff\u0663", max_size=20
                ).map(lambda value: f"{letter}={value}")
            ),
            max_size=20,
        )
    )
    def test_anyTextParsesOrIsRefused(self, lines: list[str]) -> None:
        """Any lines give MalformedMessage, or a value that is the same after a round trip."""
        try:
            description = parse("v=0\r\n" + "\r\n".join(lines))
        except MalformedMessage:
            return
        self.assertEqual(parseSDP(description.toBytes()), description)
        for each in description.media:
            self.assertIsInstance(each.formats, tuple)
            self.assertIn(each.direction, ("sendrecv", "sendonly", "recvonly", "inactive"))
            self.assertGreaterEqual(each.ptime or 0, 0)

    @settings(max_examples=50, deadline=None)
    @given(st.binary(max_size=60))
    def test_anyBytesParseOrAreRefused(self, data: bytes) -> None:
        """Behind a good head, any bytes are lines to keep or are refused."""
        try:
            description = parseSDP(HEAD.encode() + data)
        except MalformedMessage:
            return
        self.assertEqual(parseSDP(description.toBytes()), description)


class MediumTests(SynchronousTestCase):
    def test_sectionWinsOverSession(self) -> None:
        """Address and direction of the section, else those above the first m= line (5.7, 6.7)."""
        head = HEAD + "a=recvonly\r\n"
        plain = medium("m=audio 4000 RTP/AVP 0\r\n", head)
        own = medium("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.9\r\na=inactive\r\n", head)
        self.assertEqual((plain.address, plain.direction), ("192.0.2.1", "recvonly"))
        self.assertEqual((own.address, own.direction), ("192.0.2.9", "inactive"))
        bare = medium("m=audio 4000 RTP/AVP 0\r\n", "v=0\r\n")
        self.assertEqual((bare.address, bare.direction), (None, "sendrecv"))

    def test_addressesAreRead(self) -> None:
        """TTL and count are cut off, brackets too; the literal tells its family (5.7)."""
        for value, family, address in (
            ("IN IP4 233.252.0.1/127/3", "IP4", "233.252.0.1"),
            ("IN IP6 [2001:db8::5]", "IP6", "2001:db8::5"),
            ("IN IP4 2001:db8::5", "IP6", "2001:db8::5"),
            ("in ip6 media.example.com", "IP6", "media.example.com"),
        ):
            connection = medium(f"m=audio 4000 RTP/AVP 0\r\nc={value}\r\n").connection
            self.assertEqual(connection, (family, address))

    def test_addressesHaveOneForm(self) -> None:
        """To compare them with where packets come from (RFC 5952); names stay as they are."""
        for text, host in (
            ("IN IP6 2001:DB8:0:0::21", "2001:db8::21"),
            ("IN IP4 192.0.2.1", "192.0.2.1"),
            ("IN IP4 Media.example.com", "Media.example.com"),
        ):
            data = f"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc={text}\r\nt=0 0\r\n"
            parsed = parseSDP((data + "m=audio 4000 RTP/AVP 0\r\n").encode())
            connection = parsed.media[0].connection
            assert connection is not None
            self.assertEqual(connection.host, host)

    def test_packetTimes(self) -> None:
        """ptime and maxptime in whole ms; what is no number or 0 says nothing (6.4, 6.5)."""
        for value, wanted in (
            ("20", 20), ("20.0", 20), ("0", None), ("-5", None), ("x", None), ("", None),
            ("1e9", None), ("999999", None),
        ):  # fmt: skip
            lines = f"m=audio 4000 RTP/AVP 0\r\na=ptime:{value}\r\na=maxptime:{value}\r\n"
            self.assertEqual((medium(lines).ptime, medium(lines).maxptime), (wanted, wanted))

    def test_attributes(self) -> None:
        """By name: the first, all, of the section or of the session."""
        description = parse(
            HEAD + "a=group:x\r\nm=audio 4000 RTP/AVP 0\r\na=c:1:2\r\na=rtcp-mux\r\na=c:3\r\n"
        )
        audio = description.media[0]
        self.assertEqual(audio.attributes("c"), ("1:2", "3"))
        self.assertEqual(audio.attribute("c"), "1:2")
        self.assertEqual(audio.attribute("rtcp-mux"), "")
        self.assertIsNone(audio.attribute("group"))
        self.assertEqual(description.attributes("group"), ("x",))


class FormatTests(SynchronousTestCase):
    def formats(self, types: str, *attributes: str) -> tuple[Format, ...]:
        lines = "".join(f"a={each}\r\n" for each in attributes)
        return medium(f"m=audio 4000 RTP/AVP {types}\r\n{lines}").formats

    def test_staticTypesNeedNoMap(self) -> None:
        """0 and 8 are what RFC 3551 6 says, 9 has the clock that it never was."""
        self.assertEqual(
            self.formats("0 8 9"),
            (
                Format(0, "PCMU", 8000, 1),
                Format(8, "PCMA", 8000, 1),
                Format(9, "G722", 8000, 1),
            ),
        )

    def test_mapWinsOverTheTable(self) -> None:
        """An rtpmap says what a type is, static or not; without one a dynamic type is unknown."""
        self.assertEqual(
            self.formats(
                "0 96 97", "rtpmap:0 L16/8000", "rtpmap:96 opus/48000/2", "fmtp:96 a=1; b"
            ),
            (
                Format(0, "L16", 8000, 1),
                Format(96, "opus", 48000, 2, "a=1; b"),
                Format(97, None, 0, 0),
            ),
        )

    def test_brokenMapsCountAsAbsent(self) -> None:
        """An rtpmap that cannot be read changes nothing; of two, the first holds."""
        broken = ("rtpmap:0", "rtpmap:0 PCMA", "rtpmap:x PCMA/8000", "rtpmap:0 PCMA/99999999")
        self.assertEqual(self.formats("0", *broken), (Format(0, "PCMU", 8000, 1),))
        twice = self.formats("96", "rtpmap:96 PCMU/8000", "rtpmap:96 PCMA/8000")
        self.assertEqual(twice, (Format(96, "PCMU", 8000, 1),))

    def test_typesAreListedOnce(self) -> None:
        """What is no payload type is left out, and a type given twice is one."""
        self.assertEqual([each.payloadType for each in self.formats("0 t38 8 0 128 999")], [0, 8])

    def test_linesDescribeAFormat(self) -> None:
        """rtpmap with channels only where there are two, fmtp where there is one (6.6)."""
        self.assertEqual(
            list(Format(96, "opus", 48000, 2, "x=1").lines()),
            [("a", "rtpmap:96 opus/48000/2"), ("a", "fmtp:96 x=1")],
        )
        self.assertEqual(list(Format(0, "PCMU", 8000, 1).lines()), [("a", "rtpmap:0 PCMU/8000")])

    def test_namesHaveNoCase(self) -> None:
        """pcmu is PCMU (6.6)."""
        self.assertTrue(Format(0, "pcmu", 8000, 1).isCalled("PCMU"))
        self.assertFalse(Format(0, None, 0, 0).isCalled("PCMU"))
