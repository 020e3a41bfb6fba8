"""Checks each line of an in-toto bundle with securesystemslib and the ledger's key, and says what they state.

Usage: attestations.py FILE.intoto.jsonl VKEY
"""

import base64
import json
import sys

from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

name, hash_, key = sys.argv[2].split("+", 2)
key = SSlibKey(f"{name}+{hash_}", "ed25519", "ed25519", {"public": base64.b64decode(key)[1:].hex()})
statements = []
for line in open(sys.argv[1], encoding="utf-8"):
    envelope = Envelope.from_dict(json.loads(line))
    envelope.verify([key], 1)
    statements.append(json.loads(envelope.payload))
print(json.dumps(statements))
