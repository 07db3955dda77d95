"""Checks that the log of a Lookaside server was not altered, and that what is served follows from it.

    python3 verify-log.py data/lookaside.db ["a line that it printed before"]

It needs nothing but Python 3 and opens the database to read; the server may run. It prints what is wrong, a line each, and
then the number and the hash of the last change. Keep that line elsewhere. docs/log.md says what is checked, and what not.
"""
import hashlib, json, sqlite3, sys
from collections import defaultdict
from itertools import groupby

db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
kept = sys.argv[2] if len(sys.argv) > 2 else None
db.execute("BEGIN")  # one state of the database for all that follows
wrong, previous, count, seen = [], bytes(32), 0, kept is None

# The chain, and what it leads to: what became of each signature, and what was withdrawn and is not reinstated.
became, copies, withdrawn = {}, defaultdict(list), {}
for *row, hash, blob in db.execute("""
    SELECT c.seq, c.time, c.kind, c.signature, p.name, l.digest, lower(hex(s.identity)), lower(hex(s.sha256)),
      c.actor, c.reason, c.hash, s.blob
    FROM changes c LEFT JOIN signatures s ON s.id = c.signature
      LEFT JOIN places p ON p.id = s.place LEFT JOIN locations l ON l.id = s.location ORDER BY c.seq"""):
    seq, _, kind, id, repository, digest, identity, sha256, *_ = row
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    if seq != count + 1: wrong.append(f"change {seq} follows change {count}")
    if hashlib.sha256(previous + text.encode()).digest() != hash: wrong.append(f"change {seq}: not its hash")
    if hashlib.sha256(blob or b"").hexdigest() != sha256: wrong.append(f"signature {id}: not its bytes")
    previous, count = hash, seq
    seen = seen or kept == f"{count} {hash.hex()}"

    if id not in became: copies[repository, digest, identity].append(id)
    became[id] = kind
    if kind == "withdrawn":
        became.update((copy, kind) for copy in copies[repository, digest, identity])
        withdrawn.setdefault((repository, identity), seq)
    elif kind == "reinstated": withdrawn.pop((repository, identity), None)
    elif kind == "added" and (repository, identity) in withdrawn:
        wrong.append(f"change {seq}: adds what was withdrawn and is not reinstated")
if not seen: wrong.append(f"the log does not hold {kept}")

# What is kept out.
keptout = {(repository, identity): change for repository, identity, change in db.execute(
    "SELECT p.name, lower(hex(w.identity)), w.change FROM withdrawals w JOIN places p ON p.id = w.place")}
for repository, identity in sorted(withdrawn.keys() | keptout.keys(), key=str):
    says, has = withdrawn.get((repository, identity)), keptout.get((repository, identity))
    if says != has: wrong.append(f"{repository}: {identity} was withdrawn by change {says}, and withdrawals says {has}")

# What is served. A view that is full may still have what was superseded.
there = {id for id, kind in became.items() if kind in ("added", "reinstated")}
superseded = {id for id, kind in became.items() if kind == "superseded"}
placed = set()
for (place, digest, kind), slots in groupby(db.execute("""
    SELECT p.name, l.digest, p.kind, sl.slot, sl.leaves, sl.signature, s.location = sl.location, home.digest = l.digest
    FROM slots sl JOIN locations l ON l.id = sl.location JOIN places p ON p.id = l.place
      LEFT JOIN signatures s ON s.id = sl.signature LEFT JOIN locations home ON home.id = s.location
    ORDER BY sl.location, sl.slot"""), key=lambda row: row[:3]):
    slots = [row[3:] for row in slots]
    where = f"{place or '(top)'} {digest}"
    live = [id for _, leaves, id, *_ in slots if leaves is None]
    if [slot for slot, *_ in slots] != [*range(1, len(slots) + 1)]: wrong.append(f"{where}: a hole")
    if len(live) != len(set(live)): wrong.append(f"{where}: a signature has two slots")
    for slot, leaves, id, is_home, is_same_digest in slots:
        belongs = is_home and id in there if kind == "repository" else is_same_digest and id in there | superseded
        if not belongs: wrong.append(f"{where}: slot {slot} has signature {id}, which is not there by the log")
        if leaves is not None and id not in live: wrong.append(f"{where}: slot {slot} is no copy of another one")
    if kind == "repository": placed.update(live)
wrong += [f"signature {id} is there by the log, and has no slot" for id in sorted(there - placed)]

print(*wrong, f"{count} {previous.hex()}", sep="\n")
sys.exit(1 if wrong else 0)
