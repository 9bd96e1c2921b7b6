-- What happened to whom, for people to read later. Rows are only added, and removed when they are old
-- (gatehousectl audit prune); they outlive the users that they are about, so nothing refers to users.
CREATE TABLE audit (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT
    COMMENT 'in the order in which events were recorded; there are gaps',
  at DATETIME(6) NOT NULL
    COMMENT 'UTC; when it happened',
  event VARCHAR(32) NOT NULL
    COMMENT 'what happened; gatehouse(8) has the list',
  user_id BIGINT UNSIGNED NULL
    COMMENT 'users.id of whom it is about, also when they are gone; null: nobody is known',
  email VARCHAR(254) NULL
    COMMENT 'their address as it was then',
  actor VARCHAR(128) NOT NULL
    COMMENT 'who did it: user:ID, client:ID or cli:UNIXUSER; empty: somebody who did not sign in',
  address VARCHAR(64) NULL
    COMMENT 'where the request came from; null: the command line',
  session VARCHAR(64) NULL
    COMMENT 'public id of the session that it is about, or else that it was done in',
  request_id VARCHAR(64) NULL
    COMMENT 'as in the answer and in the log; null: the command line',
  details JSON NULL
    COMMENT 'what else there is to say, as an object; never a secret',
  PRIMARY KEY (id),
  KEY audit_at (at),
  KEY audit_user (user_id, at),
  KEY audit_event (event, at)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT 'what happened to whom';
