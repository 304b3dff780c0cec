DROP FUNCTION datetime(text);
