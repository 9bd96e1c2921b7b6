-- What gatehouse may do in the database: read and write rows, nothing else; and to the audit trail only
-- add. Run as an administrator, before the first start and after an update, with @DATABASE@, @USER@,
-- @HOST@ and @PASSWORD@ replaced:
--
--   @DATABASE@  the database, for example gatehouse
--   @USER@      the account of the service, for example gatehouse
--   @HOST@      where it connects from: localhost for a Unix socket
--   @PASSWORD@  a long random word; [mariadb] password_file names the file that holds it
--
-- Tables are made and changed by `gatehousectl db migrate`, and the audit trail is read and cut short
-- by `gatehousectl audit`. An administrator runs them with an account that may do so:
-- GATEHOUSE_MARIADB_URL and GATEHOUSE_MARIADB_PASSWORD_FILE override the configuration for that one
-- command.

CREATE DATABASE IF NOT EXISTS `@DATABASE@`
    CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

CREATE USER IF NOT EXISTS '@USER@'@'@HOST@' IDENTIFIED BY '@PASSWORD@';
ALTER USER '@USER@'@'@HOST@' IDENTIFIED BY '@PASSWORD@';

-- The tables need not be there yet: a right can be given beforehand where CREATE is among those given,
-- which is taken back at once.
GRANT CREATE, SELECT, INSERT, UPDATE, DELETE ON `@DATABASE@`.users TO '@USER@'@'@HOST@';
GRANT CREATE, SELECT, INSERT, UPDATE, DELETE ON `@DATABASE@`.user_roles TO '@USER@'@'@HOST@';
GRANT CREATE, SELECT, INSERT, UPDATE, DELETE ON `@DATABASE@`.clients TO '@USER@'@'@HOST@';
GRANT CREATE, SELECT ON `@DATABASE@`.schema_migrations TO '@USER@'@'@HOST@';
GRANT CREATE, INSERT ON `@DATABASE@`.audit TO '@USER@'@'@HOST@';
REVOKE CREATE ON `@DATABASE@`.users FROM '@USER@'@'@HOST@';
REVOKE CREATE ON `@DATABASE@`.user_roles FROM '@USER@'@'@HOST@';
REVOKE CREATE ON `@DATABASE@`.clients FROM '@USER@'@'@HOST@';
REVOKE CREATE ON `@DATABASE@`.schema_migrations FROM '@USER@'@'@HOST@';
REVOKE CREATE ON `@DATABASE@`.audit FROM '@USER@'@'@HOST@';

-- What an earlier version was given for the whole database is taken back, and only now, so that a
-- running service is never without; what nobody has cannot be revoked, so it is given first.
GRANT SELECT, INSERT, UPDATE, DELETE ON `@DATABASE@`.* TO '@USER@'@'@HOST@';
REVOKE SELECT, INSERT, UPDATE, DELETE ON `@DATABASE@`.* FROM '@USER@'@'@HOST@';
