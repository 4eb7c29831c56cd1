"""Certificates: ours, read again when their files change, and whose are believed.

Lives here: contexts for TLS on both sides of a connection (RFC 5922), what a failure means in
words. Not here: connections (shtoom.sip.stream), ports (doug.ports). Needs the extra `tls`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLContextFactory,
    IStreamClientEndpoint,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from doug.plainfile import readWhole

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from OpenSSL import SSL, crypto
    from OpenSSL.crypto import FILETYPE_PEM, load_certificate, load_privatekey
    from service_identity import CertificateError, VerificationError
    from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
    from service_identity.pyopenssl import extract_patterns
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
        return TLSMemoryBIOFactory(self.serving(), False, factory, clock)

    def serving(self) -> Any:
        """A factory of contexts for the side that is connected to; files that change are read anew.

        What is wrong with the new ones is logged, and the old pair stays in use.
        """
        return _Context(self._pair())

    def checkTrust(self) -> None:
        """Can those be read whom we believe?"""
        self._check()
        if self._settings.tlsCA is not None:
            self._trustRoot()

    def facts(self) -> CertificateFacts:
        """What stands in ours, whose key fits."""
        pair = self._pair()
        _Context(pair)
        certificate = pair.certificates()[0].to_cryptography()
        try:
            found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            names = []
        except ValueError as e:  # one that does not follow X.509
            raise TLSFailed(f"{pair.certificate}: {e}") from e
        else:
            names = found.value.get_values_for_type(x509.DNSName)
            names += map(str, found.value.get_values_for_type(x509.IPAddress))
        return CertificateFacts(tuple(names), certificate.not_valid_after_utc.timestamp())

    def _pair(self) -> _Pair:
        self._check()
        certificate = self._settings.certificate
        if certificate is None:
            raise TLSFailed(
                "TLS needs a certificate: --certificate=FILE (PEM), and --private-key=FILE if the "
                "key is in a file of its own"
            )
        own, key = self._file("certificate", certificate), self._settings.privateKey
        return _Pair(own, own if key is None else self._file("private-key", key))

    def _file(self, option: str, path: str) -> _File:
        return _File(self._settings.said(option, path), Path(path))

    def connecting(self, host: str) -> Any:
        """For a connection to that host, whose certificate has to be for it (RFC 5922 7.1)."""
        self._check()
        if not self._settings.tlsVerify:
            return _Unverified(host)
        return _Verified(
            host,
            optionsForClientTLS(host, trustRoot=self._trustRoot(), extraCertificateOptions=_LATEST),
        )

    def _trustRoot(self) -> Any:
        path = self._settings.tlsCA
        if path is None:
            return platformTrust()
        found = self._file("tls-ca", path).certificates()
        return trustRootFromCertificates([Certificate(each) for each in found])

    @staticmethod
    def _check() -> None:
        if _missing is not None:
            raise TLSFailed(
                f"TLS needs an extra: pip install '.[tls]' in Doug's folder ({_missing})"
            )


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
        if not _isAddress(self._host):
            connection.set_tlsext_host_name(self._host.encode("idna"))
        return connection


@implementer(IOpenSSLClientConnectionCreator)
class _Verified:
    """Makes connections to a host whose certificate has to be for it. options: Twisted's own, which
    take one without names, or with a name that is none, for that of anybody.
    """

    def __init__(self, host: str, options: Any) -> None:
        self._host, self._options = host, options

    def clientConnectionForTLS(self, tlsProtocol: Any) -> Any:
        """As IOpenSSLClientConnectionCreator has it."""
        protocol = ref(tlsProtocol)
        wanted = IPAddress_ID(self._host) if _isAddress(self._host) else DNS_ID(self._host)

        def verify(connection: Any, certificate: Any, error: int, depth: int, isRight: int) -> bool:
            if depth or not isRight:
                return bool(isRight)
            try:
                verify_service_identity(extract_patterns(certificate), [wanted], [])
            except Exception:  # whatever is wrong with it: raised here it would be lost
                asking = protocol()
                if asking is not None:
                    asking.failVerification(Failure())
                return False
            return True

        connection = self._options.clientConnectionForTLS(tlsProtocol)
        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify)
        return connection


class _File(NamedTuple):
    """A PEM file. said: who names it, for errors. All methods raise TLSFailed."""

    said: str
    path: Path

    def __str__(self) -> str:
        return self.said

    def read(self) -> bytes:
        """All of it."""
        try:
            return readWhole(self.path)
        except OSError as e:
            raise TLSFailed(f"{self}: {e.strerror or e}") from e

    def certificates(self) -> list[Any]:
        """Those that are in it, one at least."""
        parts = self.read().split(_BEGIN)[1:]
        if not parts:
            raise TLSFailed(f"{self}: there is no certificate in it (PEM)")
        try:
            return [load_certificate(FILETYPE_PEM, _BEGIN + part) for part in parts]
        except (crypto.Error, ValueError) as e:
            raise TLSFailed(
                f"{self}: a certificate in it cannot be read ({_reason(e)}): see that the file is "
                "whole"
            ) from e

    def key(self) -> Any:
        """The private key in it."""
        pem = self.read()
        if _KEY not in pem:
            raise TLSFailed(
                f"{self}: there is no private key in it (PEM): --private-key=FILE names the file "
                "that has it"
            )
        try:
            return load_privatekey(FILETYPE_PEM, pem, passphrase=_noPassphrase)
        except _Encrypted as e:
            raise TLSFailed(
                f"{self}: its key is encrypted, and encrypted keys are not read: nobody is here to "
                f"be asked for the passphrase; openssl pkey -in {self.path} -out FILE decrypts it"
            ) from e
        except (crypto.Error, ValueError) as e:
            raise TLSFailed(
                f"{self}: the private key in it cannot be read ({_reason(e)}): see that the file "
                "is whole"
            ) from e


class _Encrypted(Exception):
    """A key asks for a passphrase."""


def _noPassphrase(*_: object) -> bytes:
    """In the place of OpenSSL's own question on the terminal, which would hold the server up."""
    raise _Encrypted


class _Pair(NamedTuple):
    """Our certificate, with its chain, and its key."""

    certificate: _File
    key: _File

    def certificates(self) -> list[Any]:
        """Ours comes first. Raises TLSFailed."""
        return self.certificate.certificates()

    def context(self) -> Any:
        """What shows them. Raises TLSFailed."""
        first, *chain = self.certificates()
        key = self.key.key()
        try:
            own, its = key.to_cryptography_key(), first.get_pubkey().to_cryptography_key()
            if own.public_key() != its:
                raise TLSFailed(
                    f"{self.key}: key mismatch: it is not that of {self.certificate.path}"
                )
            options = CertificateOptions(
                privateKey=key, certificate=first, extraCertChain=chain, **_LATEST
            )
            context = options.getContext()
        except (SSL.Error, crypto.Error, UnsupportedAlgorithm, ValueError, TypeError) as e:
            raise TLSFailed(f"{self.certificate}: {_reason(e)}") from e
        context.set_options(SSL.OP_NO_RENEGOTIATION)  # older ones of OpenSSL allow it
        context.set_alpn_select_callback(_protocol)
        return context

    def times(self) -> tuple[float, ...]:
        """When the files were changed; () if one is gone."""
        try:
            return tuple(file.path.stat().st_mtime for file in self)
        except (OSError, ValueError):
            return ()


@implementer(IOpenSSLContextFactory)
class _Context:
    """A context factory that reads certificate and key anew when their files have changed.

    What cannot be read then is logged, and the old ones stay in use. Raises TLSFailed.
    """

    log = Logger()

    def __init__(self, pair: _Pair) -> None:
        self._pair, self._seen = pair, pair.times()
        self._context = pair.context()

    def getContext(self) -> Any:
        """As twisted has it, for each connection."""
        times = self._pair.times()
        if times != self._seen:
            self._seen = times
            try:
                self._context = self._pair.context()
            except TLSFailed as error:
                self.log.warn(
                    "the certificate is not read anew, the old one stays: {error}",
                    error=str(error),
                )
            else:
                self.log.info("{path} is read anew", path=str(self._pair.certificate.path))
        return self._context


_LATEST: Any = {} if _missing is not None else {"raiseMinimumTo": TLSVersion.TLSv1_2}
_PROTOCOLS = (b"sip/2", b"http/1.1")  # the second one is what browsers ask for, before WebSocket
_BEGIN, _KEY = b"-----BEGIN CERTIFICATE-----", b"PRIVATE KEY-----"


def _protocol(connection: Any, offered: Sequence[bytes]) -> Any:
    """Which of the protocols that a client offers (ALPN) it is to speak; none is no fault.

    Twisted's own choice fails the handshake of whoever offers what it does not know.
    """
    known = (name for name in _PROTOCOLS if name in offered)
    return next(known, SSL.NO_OVERLAPPING_PROTOCOLS)


def _isAddress(host: str) -> bool:
    return isIPAddress(host) or isIPv6Address(host)


def _reason(error: Exception) -> str:
    """What OpenSSL says is wrong with a file."""
    return _sslWords(error) or str(error) or "OpenSSL does not say why"


def _sslWords(error: Any) -> str:
    """OpenSSL's own words; its errors are lists of (library, function, reason)."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(entry[-1] for entry in entries if entry[-1])


def words(failure: Failure) -> str:
    """Why a connection ended, for people."""
    if _missing is None:
        error = failure.value
        if isinstance(error, VerificationError):
            return "its certificate is for another name; --tls-no-verify takes any"
        if isinstance(error, CertificateError):
            return f"its certificate names nobody ({error}); --tls-no-verify takes any"
        if isinstance(error, SSL.Error):
            text = _sslWords(error) or "the connection broke off"
            remedy = "; name who has signed it: --tls-ca" if "verify failed" in text else ""
            return f"TLS failed: {text}{remedy}"
    return failure.getErrorMessage()
