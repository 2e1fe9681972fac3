"""The tree of RFC 6962 as its section 2.1 defines it: recursive, slow, and sharing no line with the library."""

import hashlib


def largest_power_below(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def tree_hash(entries: list[bytes]) -> bytes:
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = largest_power_below(len(entries))
    return hashlib.sha256(b"\x01" + tree_hash(entries[:k]) + tree_hash(entries[k:])).digest()


def path(m: int, entries: list[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    k = largest_power_below(len(entries))
    if m < k:
        return [*path(m, entries[:k]), tree_hash(entries[k:])]
    return [*path(m - k, entries[k:]), tree_hash(entries[:k])]


def proof(m: int, entries: list[bytes]) -> list[bytes]:
    return subproof(m, entries, complete=True)


def subproof(m: int, entries: list[bytes], *, complete: bool) -> list[bytes]:
    if m == len(entries):
        return [] if complete else [tree_hash(entries)]
    k = largest_power_below(len(entries))
    if m <= k:
        return [*subproof(m, entries[:k], complete=complete), tree_hash(entries[k:])]
    return [*subproof(m - k, entries[k:], complete=False), tree_hash(entries[:k])]
