-- What gatehouse may do in the database: read and write rows, nothing else. Run once, as an
-- administrator, with @DATABASE@, @USER@, @HOST@ and @PASSWORD@ replaced:
--
--   @DATABASE@  the database, for example gatehouse
--   @USER@      the account of the service, for example gatehouse
--   @HOST@      where it connects from: localhost for a Unix socket
--   @PASSWORD@  a long random word; [mariadb] password_file names the file that holds it
--
-- Tables are made and changed by `gatehousectl db migrate`, which an administrator runs with an
-- account that may do so: GATEHOUSE_MARIADB_URL and GATEHOUSE_MARIADB_PASSWORD_FILE override the
-- configuration for that one command.

CREATE DATABASE IF NOT EXISTS `@DATABASE@`
    CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

CREATE USER IF NOT EXISTS '@USER@'@'@HOST@' IDENTIFIED BY '@PASSWORD@';
ALTER USER '@USER@'@'@HOST@' IDENTIFIED BY '@PASSWORD@';

GRANT SELECT, INSERT, UPDATE, DELETE ON `@DATABASE@`.* TO '@USER@'@'@HOST@';
