CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE leadership (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    term INTEGER NOT NULL,
    holder TEXT NOT NULL,
    beat INTEGER NOT NULL
) STRICT;
INSERT INTO leadership VALUES (1, 0, '', 0);
CREATE TABLE servers (
    id INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    state TEXT NOT NULL,
    token TEXT NOT NULL,
    handle TEXT,
    address TEXT,
    since INTEGER NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX servers_by_token ON servers (token);
CREATE TABLE services (
    name TEXT PRIMARY KEY,
    health TEXT NOT NULL,
    want INTEGER NOT NULL,
    since INTEGER NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE TABLE pools (name TEXT PRIMARY KEY, revision INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    service TEXT,
    server INTEGER,
    body TEXT NOT NULL
) STRICT;
CREATE TABLE decisions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    service TEXT NOT NULL,
    at INTEGER NOT NULL,
    want INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX decisions_by_service ON decisions (service, seq);
CREATE TABLE load_history (
    service TEXT NOT NULL,
    at INTEGER NOT NULL,
    want INTEGER NOT NULL,
    serving INTEGER NOT NULL,
    load REAL,
    PRIMARY KEY (service, at)
) STRICT, WITHOUT ROWID;
-- One line a server of each service, for readers that only want to know whether it runs, where.
CREATE VIEW service_status AS
SELECT
    services.name AS service,
    CASE
        WHEN services.health IN ('active', 'degraded') THEN 'ACTIVE'
        WHEN services.health = 'deploying' AND EXISTS (
            SELECT 1 FROM servers AS s WHERE s.service = services.name AND s.state = 'serving'
        ) THEN 'ACTIVE'
        ELSE 'INACTIVE'
    END AS status,
    servers.handle AS unit_id,
    servers.address AS address,
    servers.id AS server,
    coalesce(servers.since, services.since) AS since
FROM services
LEFT JOIN servers ON servers.service = services.name AND servers.state = 'serving';
