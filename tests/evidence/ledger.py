"""Checks a bundle and proofs with nothing but the texts they are written after: RFC 6962 section 2.1 (tree, proofs) and
C2SP's signed-note and tlog-checkpoint. Knows nothing of the program that wrote them; needs `cryptography` alone.

Usage: ledger.py bundle BUNDLE VKEY
       ledger.py proofs CHECKPOINT VKEY ENTRY INCLUSION OLDER CONSISTENCY
"""

import base64
import hashlib
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def need(holds, what):
    if not holds:
        sys.exit(f"does not hold: {what}")


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf(data):
    return sha256(b"\x00" + data)


def node(left, right):
    return sha256(b"\x01" + left + right)


def opened(note, vkey):
    """The text of a note that this key signed."""
    name, key_hash, encoded = vkey.strip().split("+", 2)
    key = base64.b64decode(encoded, validate=True)
    need(key[0] == 1 and len(key) == 33, "the key is not Ed25519")
    need(sha256(name.encode() + b"\n" + key)[:4].hex() == key_hash, "the key's hash is not its own")
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ", 2)
        need(dash == "\u2014", "a signature line without a dash")
        signature = base64.b64decode(signature, validate=True)
        if signer == name and signature[:4].hex() == key_hash:
            try:
                Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature[4:], text.encode())
            except InvalidSignature:
                need(False, "the signature is not over this text")
            return text, name
    need(False, f"{name} did not sign")


def checkpoint(note, vkey):
    text, name = opened(note, vkey)
    origin, size, root = text.split("\n")[:3]
    need(str(int(size)) == size, "the size is no number")
    return name, origin, int(size), base64.b64decode(root, validate=True)


class Tree:
    """A Merkle tree that grows from the left by whole subtrees."""

    def __init__(self):
        self.size, self.stack = 0, []

    def push(self, level, value):
        need(self.size % (1 << level) == 0, "a subtree in a place that is not its own")
        self.size += 1 << level
        self.stack.append(value)
        while (self.size >> level) % 2 == 0:
            right, left = self.stack.pop(), self.stack.pop()
            self.stack.append(node(left, right))
            level += 1

    def root(self):
        if not self.stack:
            return sha256(b"")
        root = self.stack[-1]
        for left in reversed(self.stack[:-1]):
            root = node(left, root)
        return root


def cover(start, end):
    """The levels of the largest aligned subtrees from one position to another."""
    while start < end:
        level = 0
        while start % (2 << level) == 0 and start + (2 << level) <= end:
            level += 1
        yield level
        start += 1 << level


def check_bundle(folder, vkey):
    read = lambda name: open(f"{folder}/{name}", "rb").read()
    manifest = read("manifest.json")
    name, origin, size, root = checkpoint(read("manifest.note").decode(), vkey)
    need(origin == name + "/bundle", "the manifest's note is of another ledger")
    need((size, root) == (len(manifest), sha256(manifest)), "the manifest is not the one that was signed")
    manifest = json.loads(manifest)
    for file in manifest["files"]:
        data = read(file["path"])
        need((len(data), sha256(data).hex()) == (file["size"], file["sha256"]), file["path"])
    _, origin, size, root = checkpoint(read("checkpoint.txt").decode(), vkey)
    need(origin == name, "the checkpoint is of another ledger")
    frontiers = json.loads(read("frontiers.json"))
    need(frontiers["size"] == size, "the frontiers are of another size")
    tree = Tree()
    for level, value in zip(cover(0, frontiers["from"]), frontiers["left"], strict=True):
        tree.push(level, bytes.fromhex(value))
    lines = read("entries.jsonl").split(b"\n")[:-1]
    need(len(lines) == frontiers["to"] - frontiers["from"], "the number of entries")
    times, numbers = [], {}
    for line in lines:
        entry = json.loads(line)
        left_out = entry.get("left_out")
        need(not left_out or manifest.get("repositories"), "an entry is left out of all repositories")
        tree.push(0, bytes.fromhex(left_out) if left_out else leaf(line))
        if left_out:
            continue
        times.append(entry["time"])
        of = (entry.get("facts") or entry).get("repository", {}).get("id")
        number, before = entry.get("of_repository"), numbers.get(of, 0 if frontiers["from"] == 0 else None)
        need(number or not numbers.get(of), "an entry of a repository without its number")
        need(not number or before is None or number == before + 1, "an entry of a repository is missing")
        numbers[of] = number or before
    for level, value in zip(cover(frontiers["to"], size), frontiers["right"], strict=True):
        tree.push(level, bytes.fromhex(value))
    need((tree.size, tree.root()) == (size, root), "the entries do not lead to the root")
    if period := manifest.get("period"):
        # An entry on either side of the period, or an end of the ledger.
        need(frontiers["from"] == 0 or (times and times[0] < period["from"]), "something before may be of the period")
        need(frontiers["to"] == size or (times and times[-1] >= period["to"]), "something after may be of the period")
    print(f"{len(lines)} entries of {size} hold")


def inclusion(index, size, value, path):
    """RFC 9162 section 2.1.3.2, which spells out what RFC 6962 leaves to the reader."""
    first, last = index, size - 1
    for sibling in path:
        need(last > 0, "the path is too long")
        if first % 2 or first == last:
            value = node(sibling, value)
            while first % 2 == 0 and first:
                first, last = first >> 1, last >> 1
        else:
            value = node(value, sibling)
        first, last = first >> 1, last >> 1
    need(last == 0, "the path is too short")
    return value


def consistency(old_size, new_size, old_root, path):
    """RFC 9162 section 2.1.4.2: both roots, as the path makes them."""
    if old_size == new_size:
        need(not path, "a path between two trees of one size")
        return old_root, old_root
    path = list(path)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    first, last = old_size - 1, new_size - 1
    while first % 2:
        first, last = first >> 1, last >> 1
    old = new = path[0]
    for value in path[1:]:
        need(last > 0, "the path is too long")
        if first % 2 or first == last:
            old, new = node(value, old), node(value, new)
            while first % 2 == 0 and first:
                first, last = first >> 1, last >> 1
        else:
            new = node(new, value)
        first, last = first >> 1, last >> 1
    need(last == 0, "the path is too short")
    return old, new


def check_proofs(newer, vkey, entry, included, older, grown):
    text = lambda path: open(path, encoding="utf-8").read()
    hashes = lambda proof: [bytes.fromhex(value) for value in proof["hashes"]]
    _, origin, size, root = checkpoint(text(newer), vkey)
    _, older_origin, old_size, old_root = checkpoint(text(older), vkey)
    need(origin == older_origin, "two ledgers")
    proof = json.loads(text(included))
    value = leaf(open(entry, "rb").read().rstrip(b"\n"))
    need(inclusion(proof["index"], size, value, hashes(proof)) == root, "the entry is not in the tree")
    old, new = consistency(old_size, size, old_root, hashes(json.loads(text(grown))))
    need((old, new) == (old_root, root), "the newer tree does not continue the older one")
    print(f"entry {proof['index']} of {size} holds, and the tree of {old_size} is its beginning")


if sys.argv[1] == "bundle":
    check_bundle(*sys.argv[2:])
else:
    check_proofs(*sys.argv[2:])
