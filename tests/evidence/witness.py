"""A witness (C2SP tlog-witness, tlog-cosignature), written from their texts and RFC 6962 alone; needs `cryptography` alone.

Usage: witness.py NAME SEED LOGKEYS
SEED is 64 hexadecimal digits; LOGKEYS is a file of verifier keys of the logs it watches, read at each request. Prints its
address and its own verifier key, then serves until its input ends.
"""

import base64
import hashlib
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

NAME, SEED, LOGKEYS = sys.argv[1:4]
KEY = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SEED))
PUBLIC = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
KEY_ID = hashlib.sha256(NAME.encode() + b"\n\x04" + PUBLIC).digest()[:4]
SEEN = {}  # origin -> (size, root) of the head cosigned last
LOCK = threading.Lock()


def sha256(data):
    return hashlib.sha256(data).digest()


def node(left, right):
    return sha256(b"\x01" + left + right)


def signed_by_log(text, signatures, origin):
    """None where no log of that name is known; else whether one of its keys signed."""
    keys = [line.strip() for line in open(LOGKEYS, encoding="utf-8") if line.strip()]
    keys = [key.split("+", 2) for key in keys if key.split("+", 2)[0] == origin]
    if not keys:
        return None
    for _, key_hash, encoded in keys:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:])
        for line in signatures.splitlines():
            _, name, signature = line.split(" ", 2)
            signature = base64.b64decode(signature)
            if name == origin and signature[:4].hex() == key_hash:
                try:
                    public.verify(signature[4:], text.encode())
                    return True
                except InvalidSignature:
                    return False
    return False


def consistent(first, first_root, second, second_root, proof):
    """RFC 9162, section 2.1.4.2."""
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof
    proof = list(proof)
    if first & (first - 1) == 0:
        proof.insert(0, first_root)
    if not proof:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    fr = sr = proof[0]
    for c in proof[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while fn & 1 == 0 and fn != 0:
                fn >>= 1
                sn >>= 1
        else:
            sr = node(sr, c)
        fn >>= 1
        sn >>= 1
    return sn == 0 and fr == first_root and sr == second_root


def add_checkpoint(body):
    head, _, note = body.partition("\n\n")
    old, *proof = head.split("\n")
    old = int(old.removeprefix("old "))
    proof = [base64.b64decode(line, validate=True) for line in proof]
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    origin, size, root = text.split("\n")[:3]
    size, root = int(size), base64.b64decode(root, validate=True)
    signed = signed_by_log(text, signatures, origin)
    if signed is None:
        return 404, "text/plain", ""
    if not signed:
        return 403, "text/plain", ""
    if old > size:
        return 400, "text/plain", ""
    with LOCK:
        last_size, last_root = SEEN.get(origin, (0, None))
        if old != last_size or (old == size and last_root is not None and last_root != root):
            return 409, "text/x.tlog.size", f"{last_size}\n"
        if not consistent(old, last_root, size, root, proof):
            return 422, "text/plain", ""
        SEEN[origin] = (size, root)
    now = int(time.time())
    signature = KEY.sign(f"cosignature/v1\ntime {now}\n{text}".encode())
    line = base64.b64encode(KEY_ID + now.to_bytes(8, "big") + signature).decode()
    return 200, "text/plain", f"\u2014 {NAME} {line}\n"


class Door(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        try:
            status, kind, answer = add_checkpoint(body) if self.path == "/add-checkpoint" else (404, "text/plain", "")
        except (ValueError, IndexError):
            status, kind, answer = 400, "text/plain", ""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(answer.encode())))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
print(f"{NAME}+{KEY_ID.hex()}+{base64.b64encode(bytes([4]) + PUBLIC).decode()}", flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
