"""Certificates: ours, read again when their files change, and whose are believed.

Lives here: contexts for TLS on both sides of a connection (RFC 5922), what a failure means in
words. Not here: connections (shtoom.sip.stream), ports (doug.ports). Needs the extra `tls`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLContextFactory,
    IStreamClientEndpoint,
)
from twisted.logger import Logger
from zope.interface import implementer

try:
    from cryptography import x509
    from OpenSSL import SSL
    from OpenSSL.crypto import FILETYPE_PEM, load_certificate, load_privatekey
    from service_identity import VerificationError
    from twisted.internet.ssl import (
        Certificate,
        CertificateOptions,
        TLSVersion,
        optionsForClientTLS,
        platformTrust,
        trustRootFromCertificates,
    )
    from twisted.protocols.tls import TLSMemoryBIOFactory
except ImportError as missing:  # pragma: no cover - where the extra is not installed
    _missing: str | None = str(missing)
else:
    _missing = None

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from doug.settings import Settings

__all__ = ["CertificateFacts", "Certificates", "TLSFailed", "words"]


class TLSFailed(Exception):
    """TLS cannot be had; the text is one line with the remedy."""


class CertificateFacts(NamedTuple):
    """names: DNS names and addresses that it is for. until: seconds since 1970."""

    names: tuple[str, ...]
    until: float


class Certificates:
    """What one server shows, and believes.

    settings: certificate (PEM, with its chain), privateKey (PEM; in the certificate's file if
    None), tlsCA (PEM of whom to believe; the system's if None), tlsVerify. Nothing is read before
    it is needed. All methods raise TLSFailed.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def accepting(self, factory: Any, clock: Any) -> Any:
        """A factory of TLS connections, around one of plain ones."""
        return TLSMemoryBIOFactory(_Context(*self._files()), False, factory, clock)

    def facts(self) -> CertificateFacts:
        """What stands in ours, whose key fits."""
        path, key = self._files()
        _Context(path, key)
        first = load_certificate(FILETYPE_PEM, _certificates(path.read_bytes())[0])
        certificate = first.to_cryptography()
        try:
            found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            names = []
        else:
            names = found.value.get_values_for_type(x509.DNSName)
            names += map(str, found.value.get_values_for_type(x509.IPAddress))
        return CertificateFacts(tuple(names), certificate.not_valid_after_utc.timestamp())

    def _files(self) -> tuple[Path, Path]:
        """Certificate and key."""
        self._check()
        certificate = self._settings.certificate
        if certificate is None:
            raise TLSFailed(
                "TLS needs a certificate: --certificate=FILE (PEM), and --private-key=FILE if the "
                "key is in a file of its own"
            )
        return Path(certificate), Path(self._settings.privateKey or certificate)

    def connecting(self, host: str) -> Any:
        """For a connection to that host, whose certificate has to be for it (RFC 5922 7.1)."""
        self._check()
        if not self._settings.tlsVerify:
            return _Unverified(host)
        return optionsForClientTLS(
            host, trustRoot=self._trustRoot(), extraCertificateOptions=_LATEST
        )

    def _trustRoot(self) -> Any:
        path = self._settings.tlsCA
        if path is None:
            return platformTrust()
        try:
            pem = Path(path).read_bytes()
            return trustRootFromCertificates(
                [Certificate.loadPEM(part) for part in _certificates(pem)]
            )
        except (OSError, SSL.Error, ValueError) as e:
            raise TLSFailed(f"--tls-ca={path}: {_reason(e)}") from e

    @staticmethod
    def _check() -> None:
        if _missing is not None:
            raise TLSFailed(f"TLS needs an extra: pip install 'doug[tls]' ({_missing})")


@implementer(IStreamClientEndpoint)
class TLSEndpoint:
    """TLS over what another endpoint makes. options: of Certificates.connecting(). clock: what
    small writes are gathered by; Twisted's own wrapper takes the process's reactor."""

    def __init__(self, options: Any, plain: IStreamClientEndpoint, clock: Any) -> None:
        self._options, self._plain, self._clock = options, plain, clock

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        """As IStreamClientEndpoint has it; the handshake comes after that."""
        wrapped: Any = TLSMemoryBIOFactory(self._options, True, protocolFactory, self._clock)
        made: Deferred[Any] = self._plain.connect(wrapped)
        return made.addCallback(lambda protocol: protocol.wrappedProtocol)


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """Makes connections to a host whose certificate is not looked at."""

    def __init__(self, host: str) -> None:
        self._host = host

    def clientConnectionForTLS(self, tlsProtocol: Any) -> Any:
        """As IOpenSSLClientConnectionCreator has it."""
        connection = SSL.Connection(CertificateOptions(verify=False, **_LATEST).getContext(), None)
        if not (isIPAddress(self._host) or isIPv6Address(self._host)):
            connection.set_tlsext_host_name(self._host.encode("idna"))
        return connection


@implementer(IOpenSSLContextFactory)
class _Context:
    """A context factory that reads certificate and key anew when their files have changed.

    What cannot be read then is logged, and the old ones stay in use.
    """

    log = Logger()

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key
        self._seen = self._times()
        self._context = self._read()

    def getContext(self) -> Any:
        """As twisted has it, for each connection."""
        times = self._times()
        if times != self._seen:
            self._seen = times
            try:
                self._context = self._read()
            except TLSFailed as error:
                self.log.warn("the certificate is not read anew: {error}", error=str(error))
            else:
                self.log.info("{path} is read anew", path=str(self._certificate))
        return self._context

    def _times(self) -> tuple[float, ...]:
        try:
            return tuple(path.stat().st_mtime for path in (self._certificate, self._key))
        except OSError:
            return ()

    def _read(self) -> Any:
        path = self._certificate
        try:
            first, *chain = [
                load_certificate(FILETYPE_PEM, part)
                for part in _certificates(self._certificate.read_bytes())
            ]
            path = self._key
            key = load_privatekey(FILETYPE_PEM, self._key.read_bytes())
            options = CertificateOptions(
                privateKey=key, certificate=first, extraCertChain=chain, **_LATEST
            )
            context = options.getContext()
            context.set_options(SSL.OP_NO_RENEGOTIATION)  # older ones of OpenSSL allow it
            context.set_alpn_select_callback(_protocol)
            return context
        except (OSError, SSL.Error, ValueError) as e:
            raise TLSFailed(f"{path}: {_reason(e)}") from e


_LATEST: Any = {} if _missing is not None else {"raiseMinimumTo": TLSVersion.TLSv1_2}
_PROTOCOLS = (b"sip/2", b"http/1.1")  # the second one is what browsers ask for, before WebSocket
_BEGIN = b"-----BEGIN CERTIFICATE-----"


def _certificates(pem: bytes) -> Sequence[bytes]:
    """Each certificate in a file. Raises ValueError if there is none."""
    parts = [_BEGIN + part for part in pem.split(_BEGIN)[1:]]
    if not parts:
        raise ValueError("there is no certificate in it (PEM)")
    return parts


def _protocol(connection: Any, offered: Sequence[bytes]) -> Any:
    """Which of the protocols that a client offers (ALPN) it is to speak; none is no fault.

    Twisted's own choice fails the handshake of whoever offers what it does not know.
    """
    known = (name for name in _PROTOCOLS if name in offered)
    return next(known, SSL.NO_OVERLAPPING_PROTOCOLS)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, SSL.Error):
        return _sslWords(error)
    return str(error)


def _sslWords(error: Any) -> str:
    """OpenSSL's own words; its errors are lists of (library, function, reason)."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(entry[-1] for entry in entries if entry[-1]) or "the connection broke off"


def words(failure: Failure) -> str:
    """Why a connection ended, for people."""
    if _missing is None:
        error = failure.value
        if isinstance(error, VerificationError):
            return "its certificate is for another name; --tls-no-verify takes any"
        if isinstance(error, SSL.Error):
            text = _sslWords(error)
            remedy = "; name who has signed it: --tls-ca" if "verify failed" in text else ""
            return f"TLS failed: {text}{remedy}"
    return failure.getErrorMessage()
