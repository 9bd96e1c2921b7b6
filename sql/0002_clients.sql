-- Other services that may introspect and revoke tokens (RFC 7662, RFC 7009).
CREATE TABLE clients (
  id VARCHAR(64) NOT NULL
    COMMENT 'the name that the client authenticates with',
  secret_sha256 CHAR(64) NOT NULL
    COMMENT 'hex SHA-256 of the secret, which is long and random: no password hash is needed',
  created_at DATETIME(3) NOT NULL
    COMMENT 'UTC',
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT 'which services may ask about tokens';
