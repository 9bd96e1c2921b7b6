-- Users and their roles.  Canonical columns decide who is who: they hold what the program has
-- normalised and folded, and are compared byte for byte, trailing spaces included (nopad_bin).
CREATE TABLE users (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT
    COMMENT 'the sub of tokens; never used again for somebody else',
  email VARCHAR(254) NOT NULL
    COMMENT 'as it was given',
  email_canonical VARCHAR(254) NOT NULL
    COMMENT 'normalised (NFC) and folded to lower case; what email logins look up',
  username VARCHAR(32) NULL
    COMMENT 'as it was given; null: none was',
  username_canonical VARCHAR(32) NULL
    COMMENT 'folded to lower case; what username logins look up',
  display_name VARCHAR(128) NULL
    COMMENT 'for people to read; null: none was given',
  password_hash VARCHAR(255) NOT NULL
    COMMENT 'crypt(5); a value that no password matches: * and more',
  version BIGINT UNSIGNED NOT NULL DEFAULT 1
    COMMENT 'grows when names or roles change, so that sessions never take an older state for a newer',
  email_verified BOOLEAN NOT NULL DEFAULT FALSE
    COMMENT 'whether the address was shown to be theirs',
  disabled_at DATETIME(3) NULL
    COMMENT 'UTC; since when the user may not sign in; null: may',
  created_at DATETIME(3) NOT NULL
    COMMENT 'UTC',
  last_login_at DATETIME(3) NULL
    COMMENT 'UTC; null: never',
  PRIMARY KEY (id),
  UNIQUE KEY users_email (email_canonical),
  UNIQUE KEY users_username (username_canonical)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT 'who may sign in';

CREATE TABLE user_roles (
  user_id BIGINT UNSIGNED NOT NULL
    COMMENT 'users.id',
  role VARCHAR(64) NOT NULL
    COMMENT 'a name of letters, digits and _ . : -',
  PRIMARY KEY (user_id, role),
  KEY user_roles_role (role),
  CONSTRAINT user_roles_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT 'what a user may do; vhosts demand roles';
