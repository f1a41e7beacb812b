"""The tables of a ledger file, and the marks by which one is known."""

#: "SPLG": says that a file is a ledger of ours, whatever its name.
APPLICATION_ID = 0x53504C47
#: Raised by every change of the tables; a file with a higher one is refused.
VERSION = 4

TABLES = """
CREATE TABLE counters (
    rule TEXT NOT NULL, value TEXT NOT NULL, window_start INTEGER NOT NULL,
    metric TEXT NOT NULL,
    spent INTEGER NOT NULL, reserved INTEGER NOT NULL, told INTEGER NOT NULL,
    tripped TEXT,
    PRIMARY KEY (rule, value, window_start, metric)
) WITHOUT ROWID;
CREATE INDEX counters_by_window ON counters (rule, window_start);

-- Open reservations only, so that it stays small and a sweep may read all of it.
CREATE TABLE reservations (
    id TEXT PRIMARY KEY, lease_until REAL NOT NULL, lease_s REAL NOT NULL, demands TEXT NOT NULL
) WITHOUT ROWID;

-- Reservations whose lease ended: charged in full until their settlement comes after all.
CREATE TABLE swept (
    id TEXT PRIMARY KEY, at REAL NOT NULL, demands TEXT NOT NULL
) WITHOUT ROWID;

-- Every change of what is spent, in order: the sum of `charged` is `counters.spent`, unless a
-- row was pruned. Only appended to; `kind` is settled, expired, corrected or reset.
CREATE TABLE settlements (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL,
    demands TEXT NOT NULL, charged TEXT NOT NULL, estimated INTEGER
);

-- Marks that were crossed, and whether somebody was told.
CREATE TABLE crossings (
    rule TEXT NOT NULL, value TEXT NOT NULL, window_start INTEGER NOT NULL,
    metric TEXT NOT NULL, mark INTEGER NOT NULL, spent INTEGER NOT NULL, at REAL NOT NULL,
    claimed_until REAL NOT NULL, delivered_at REAL,
    PRIMARY KEY (rule, value, window_start, metric, mark)
) WITHOUT ROWID;

CREATE TABLE rules (name TEXT PRIMARY KEY, definition TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE forced (name TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
"""

#: What makes a file of the version before into one of this version.
MIGRATIONS = {
    # `told` was the number of marks; now it is the greatest mark, by its amount.
    2: """
CREATE INDEX counters_by_window ON counters (rule, window_start);
UPDATE counters SET told = coalesce((
    SELECT max(mark) FROM crossings AS c
    WHERE c.rule = counters.rule AND c.value = counters.value
    AND c.window_start = counters.window_start
), 0);
""",
    3: "ALTER TABLE counters ADD COLUMN tripped TEXT",
    # A counter says what it counts. Its last demand knows; open ones come first.
    4: """
ALTER TABLE counters RENAME TO old_counters;
ALTER TABLE crossings RENAME TO old_crossings;
DROP INDEX counters_by_window;
CREATE TABLE counters (
    rule TEXT NOT NULL, value TEXT NOT NULL, window_start INTEGER NOT NULL,
    metric TEXT NOT NULL,
    spent INTEGER NOT NULL, reserved INTEGER NOT NULL, told INTEGER NOT NULL,
    tripped TEXT,
    PRIMARY KEY (rule, value, window_start, metric)
) WITHOUT ROWID;
CREATE INDEX counters_by_window ON counters (rule, window_start);
CREATE TABLE crossings (
    rule TEXT NOT NULL, value TEXT NOT NULL, window_start INTEGER NOT NULL,
    metric TEXT NOT NULL, mark INTEGER NOT NULL, spent INTEGER NOT NULL, at REAL NOT NULL,
    claimed_until REAL NOT NULL, delivered_at REAL,
    PRIMARY KEY (rule, value, window_start, metric, mark)
) WITHOUT ROWID;
INSERT INTO crossings
SELECT rule, value, window_start, metric, mark, spent, at, claimed_until, delivered_at
FROM old_crossings;
CREATE TEMP TABLE counted AS
SELECT json_extract(d.value, '$[0]') AS key, json_extract(d.value, '$[1]') AS metric, at
FROM (
    SELECT demands, 9e99 AS at FROM reservations
    UNION ALL SELECT demands, at FROM swept
    UNION ALL SELECT demands, at FROM settlements
) AS held, json_each(held.demands) AS d;
INSERT INTO counters
SELECT rule, value, window_start, coalesce(
    (SELECT metric FROM counted WHERE key = json_array(o.rule, o.value, o.window_start)
     ORDER BY at DESC LIMIT 1),
    (SELECT metric FROM crossings AS c WHERE c.rule = o.rule AND c.value = o.value
     AND c.window_start = o.window_start LIMIT 1),
    ''
), spent, reserved, told, tripped
FROM old_counters AS o;
DROP TABLE counted;
DROP TABLE old_counters;
DROP TABLE old_crossings;
""",
}
