-- The prices of the 10,000 products of the catalog, on every shard.
INSERT INTO prices (product_id, price_cents)
WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 10000)
SELECT id, 199 + (id * 7919) % 50000
FROM n;
