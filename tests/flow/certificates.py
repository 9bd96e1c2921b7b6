"""An authority and certificates of its, made on the spot, as PEM files."""
import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def name_of(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def alternative(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Pair:
    """A certificate and its key; cert and key are their files."""

    def __init__(self, folder, title, certificate, key):
        self.certificate, self.private = certificate, key
        self.cert, self.key = folder / f"{title}.pem", folder / f"{title}.key"
        self.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key.write_bytes(key.private_bytes(serialization.Encoding.PEM,
                                               serialization.PrivateFormat.PKCS8,
                                               serialization.NoEncryption()))
        for file in (self.cert, self.key):
            file.chmod(0o644)


class Authority(Pair):
    def __init__(self, folder, title):
        self.folder = folder
        key = ec.generate_private_key(ec.SECP256R1())
        who = name_of(title)
        super().__init__(folder, title, sign(who, who, key.public_key(), key, [
            (x509.BasicConstraints(ca=True, path_length=None), True)]), key)

    def issue(self, title, *names, days=(-1, 1)):
        """For these names and addresses, good from days[0] to days[1] from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        more = [(x509.SubjectAlternativeName([alternative(name) for name in names]), False)] \
            if names else []
        return Pair(self.folder, title, sign(name_of(title), self.certificate.subject,
                                             key.public_key(), self.private, more, days), key)


def sign(who, by, public, private, extensions, days=(-1, 1)):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(
        issuer_name=by, subject_name=who, public_key=public,
        serial_number=x509.random_serial_number(),
        not_valid_before=now + datetime.timedelta(days=days[0]),
        not_valid_after=now + datetime.timedelta(days=days[1]))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(private, hashes.SHA256())
