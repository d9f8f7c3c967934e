"""signer - DKIM signatures with a key of our own (RFC 6376), and whether they still verify

    s = signer.Signer()
    signed = s.sign(content)        # two fields on top, relaxed and simple, over every field that may be signed
    s.holds(signed)                 # [True, True]

needs    dkimpy and cryptography, which only the system's python3 has: /usr/bin/python3
never    asks DNS: the record is answered from memory
"""

import base64

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

DOMAIN = b"signer.test"
FORMS = ((b"relaxed", b"relaxed"), (b"simple", b"simple"))
NEVER = {name.lower() for name in dkim.DKIM(b"From: a\r\n\r\n").should_not_sign} | {b"dkim-signature"}


class Signer:
    def __init__(self):
        key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        self.private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                         serialization.NoEncryption())
        public = key.public_key().public_bytes(serialization.Encoding.DER,
                                               serialization.PublicFormat.SubjectPublicKeyInfo)
        self.record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)

    def sign(self, content, forms=FORMS):
        """dkim.DKIMException: content begins with something that is no header."""
        names = [name.lower().strip() for name, _ in dkim.DKIM(content).headers]
        names = [name for name in names if name not in NEVER]
        for form in forms:
            field = dkim.sign(content, b"sel", DOMAIN, self.private, canonicalize=form,
                              include_headers=names if b"from" in names else names + [b"from"])
            content = (field if field.endswith(b"\r\n") else field + b"\r\n") + content
        return content

    def holds(self, content, forms=FORMS):
        """For each of the topmost signatures, as many as there are forms: does it verify?"""
        return [self._verifies(content, i) for i in range(len(forms))]

    def _verifies(self, content, index):
        try:
            return dkim.DKIM(content).verify(index, dnsfunc=lambda *args, **more: self.record)
        except dkim.DKIMException:
            return False
