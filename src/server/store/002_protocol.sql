-- All of RFC 8555: key rollover, external accounts, terms that change, reuse of authorizations, replaced and revoked certificates.

ALTER TABLE accounts ADD COLUMN terms_url BLOB; -- the terms that were agreed to
ALTER TABLE accounts ADD COLUMN eab_kid BLOB; -- the external account key's id, as the signer told it
ALTER TABLE accounts ADD COLUMN eab BLOB; -- the binding as the client sent it

-- Keys that accounts got by rollover, and the ones that they replaced: state 0 current, 1 replaced, 2 promised while the signer is asked.
-- An account that never rolled over has no row: its id is its key's thumbprint.
CREATE TABLE account_keys (
	thumbprint BLOB PRIMARY KEY,
	account    BLOB NOT NULL,
	state      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE orders ADD COLUMN not_before_s INTEGER; -- as the order asked, NULL: it did not
ALTER TABLE orders ADD COLUMN not_after_s INTEGER;
ALTER TABLE orders ADD COLUMN profile BLOB;
ALTER TABLE orders ADD COLUMN replaces BLOB; -- a certificate's name as in RFC 9773

-- An account's list of orders (state 4: invalid), in the order of their making.
CREATE INDEX orders_of_account ON orders (account, id) WHERE state != 4;

ALTER TABLE authzs ADD COLUMN caa_s INTEGER; -- when the CAA receipt was made
ALTER TABLE authzs ADD COLUMN lifetime_s INTEGER; -- how long it holds from becoming valid; NULL: until expires_s
-- Valid ones (state 1), to be found by later orders of the account.
CREATE INDEX authzs_valid ON authzs (account, identifier, expires_s) WHERE state = 1;

ALTER TABLE certificates ADD COLUMN replaced_by BLOB; -- order id
ALTER TABLE certificates ADD COLUMN revoked_s INTEGER;
ALTER TABLE certificates ADD COLUMN reason INTEGER;

CREATE TABLE limits (
	id   INTEGER PRIMARY KEY,
	body BLOB NOT NULL
) STRICT;
