-- Keys are the objects' own binary ids; those of orders and authorizations begin with the time, so that new rows go to the end
-- of their tables. States are the numbers of acme/state.h. Blobs of several fields are in wire form: see encode.h.

CREATE TABLE accounts (
	id        BLOB PRIMARY KEY,
	state     INTEGER NOT NULL,
	created_s INTEGER NOT NULL,
	terms     INTEGER NOT NULL,
	jwk       BLOB NOT NULL,
	contacts  BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
	id          BLOB PRIMARY KEY,
	state       INTEGER NOT NULL,
	serial      BLOB,
	account     BLOB NOT NULL,
	created_s   INTEGER NOT NULL,
	expires_s   INTEGER NOT NULL,
	authzs      BLOB NOT NULL,
	identifiers BLOB NOT NULL,
	problem     BLOB,
	new_order   BLOB,
	finalize    BLOB
) STRICT, WITHOUT ROWID;

-- Only the few orders that are being finalized: what a restart drives on.
CREATE INDEX orders_processing ON orders (id) WHERE state = 2;

CREATE TABLE authzs (
	id         BLOB PRIMARY KEY,
	state      INTEGER NOT NULL,
	order_id   BLOB NOT NULL,
	account    BLOB NOT NULL,
	expires_s  INTEGER NOT NULL,
	identifier BLOB NOT NULL,
	challenges BLOB NOT NULL,
	control    BLOB,
	caa        BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE certificates (
	serial       BLOB PRIMARY KEY,
	order_id     BLOB NOT NULL,
	account      BLOB NOT NULL,
	not_before_s INTEGER NOT NULL,
	not_after_s  INTEGER NOT NULL,
	der          BLOB NOT NULL,
	chain        BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
	id   INTEGER PRIMARY KEY,
	body BLOB NOT NULL
) STRICT;
