-- The record itself. Nothing in it is ever changed or taken away: the triggers refuse, INSERT OR REPLACE included.

-- One row per entry. What is hashed is exactly the bytes of `body`; `leaf` is SHA-256(0x00 || body).
CREATE TABLE entries (
    position INTEGER PRIMARY KEY,
    leaf     BLOB    NOT NULL,
    kind     TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    time     TEXT    NOT NULL,
    body     BLOB    NOT NULL
);
CREATE INDEX entries_subject ON entries (subject, position);
CREATE INDEX entries_time ON entries (time, position);

-- Full tiles of 256 hashes at tree levels 0, 8, 16 (level 0, 1, 2 here) and the root over each. Tiles not yet full are
-- read from the rows below them: leaves from `entries`, roots from the level below.
CREATE TABLE tiles (
    level      INTEGER NOT NULL,
    tile_index BIGINT  NOT NULL,
    root       BLOB    NOT NULL,
    hashes     BLOB    NOT NULL,
    PRIMARY KEY (level, tile_index)
);

-- Size and right edge of the tree, so that appending never looks back. One row; it can be made again from `entries`.
CREATE TABLE ledger_head (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    size  BIGINT  NOT NULL,
    peaks BLOB    NOT NULL
);
INSERT INTO ledger_head (id, size, peaks) VALUES (1, 0, x'');

-- Signed heads, as they were published.
CREATE TABLE checkpoints (
    size BIGINT PRIMARY KEY,
    note TEXT   NOT NULL
);

-- The policies and settings that decisions name by digest.
CREATE TABLE policy_texts (
    digest TEXT PRIMARY KEY,
    body   TEXT NOT NULL
);
CREATE TABLE settings_texts (
    digest TEXT PRIMARY KEY,
    body   TEXT NOT NULL
);

CREATE TRIGGER entries_keep_update BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END;
CREATE TRIGGER entries_keep_delete BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'entries are never removed'); END;
CREATE TRIGGER entries_keep_insert BEFORE INSERT ON entries
WHEN EXISTS (SELECT 1 FROM entries WHERE position = NEW.position)
BEGIN SELECT RAISE(ABORT, 'entries are never replaced'); END;

CREATE TRIGGER tiles_keep_update BEFORE UPDATE ON tiles
BEGIN SELECT RAISE(ABORT, 'tiles are never changed'); END;
CREATE TRIGGER tiles_keep_delete BEFORE DELETE ON tiles
BEGIN SELECT RAISE(ABORT, 'tiles are never removed'); END;
CREATE TRIGGER tiles_keep_insert BEFORE INSERT ON tiles
WHEN EXISTS (SELECT 1 FROM tiles WHERE level = NEW.level AND tile_index = NEW.tile_index)
BEGIN SELECT RAISE(ABORT, 'tiles are never replaced'); END;

CREATE TRIGGER ledger_head_grows BEFORE UPDATE ON ledger_head
WHEN NEW.size < OLD.size
BEGIN SELECT RAISE(ABORT, 'the ledger never shrinks'); END;
CREATE TRIGGER ledger_head_keep_delete BEFORE DELETE ON ledger_head
BEGIN SELECT RAISE(ABORT, 'the ledger is never removed'); END;
CREATE TRIGGER ledger_head_keep_insert BEFORE INSERT ON ledger_head
BEGIN SELECT RAISE(ABORT, 'there is one ledger'); END;

CREATE TRIGGER checkpoints_keep_update BEFORE UPDATE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER checkpoints_keep_delete BEFORE DELETE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints are never removed'); END;
CREATE TRIGGER checkpoints_keep_insert BEFORE INSERT ON checkpoints
WHEN EXISTS (SELECT 1 FROM checkpoints WHERE size = NEW.size)
BEGIN SELECT RAISE(IGNORE); END;

CREATE TRIGGER policy_texts_keep_update BEFORE UPDATE ON policy_texts
BEGIN SELECT RAISE(ABORT, 'policies on record are never changed'); END;
CREATE TRIGGER policy_texts_keep_delete BEFORE DELETE ON policy_texts
BEGIN SELECT RAISE(ABORT, 'policies on record are never removed'); END;
CREATE TRIGGER policy_texts_keep_insert BEFORE INSERT ON policy_texts
WHEN EXISTS (SELECT 1 FROM policy_texts WHERE digest = NEW.digest)
BEGIN SELECT RAISE(IGNORE); END;

CREATE TRIGGER settings_texts_keep_update BEFORE UPDATE ON settings_texts
BEGIN SELECT RAISE(ABORT, 'settings on record are never changed'); END;
CREATE TRIGGER settings_texts_keep_delete BEFORE DELETE ON settings_texts
BEGIN SELECT RAISE(ABORT, 'settings on record are never removed'); END;
CREATE TRIGGER settings_texts_keep_insert BEFORE INSERT ON settings_texts
WHEN EXISTS (SELECT 1 FROM settings_texts WHERE digest = NEW.digest)
BEGIN SELECT RAISE(IGNORE); END;
