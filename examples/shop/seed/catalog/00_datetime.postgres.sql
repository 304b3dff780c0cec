-- What SQLite has built in, for the files after this one.
CREATE FUNCTION datetime(text) RETURNS timestamp LANGUAGE sql AS 'SELECT CAST($1 AS timestamp)';
