-- 10,000 products in eight categories, the same on every machine.
INSERT INTO products (id, sku, name, category, price_cents, currency, stock, created_at)
WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 10000)
SELECT id,
       'SKU-' || (100000 + id),
       CASE id % 5 WHEN 0 THEN 'Plain' WHEN 1 THEN 'Sturdy' WHEN 2 THEN 'Light' WHEN 3 THEN 'Fine' ELSE 'Grand' END
           || ' ' ||
       CASE id % 8 WHEN 0 THEN 'Lamp' WHEN 1 THEN 'Chair' WHEN 2 THEN 'Novel' WHEN 3 THEN 'Kettle'
                   WHEN 4 THEN 'Tent' WHEN 5 THEN 'Scarf' WHEN 6 THEN 'Puzzle' ELSE 'Rake' END
           || ' ' || id,
       CASE id % 8 WHEN 0 THEN 'lighting' WHEN 1 THEN 'furniture' WHEN 2 THEN 'books' WHEN 3 THEN 'kitchen'
                   WHEN 4 THEN 'outdoor' WHEN 5 THEN 'clothing' WHEN 6 THEN 'toys' ELSE 'garden' END,
       199 + (id * 7919) % 50000,
       'EUR',
       20 + (id * 104729) % 500,
       datetime('2026-01-' || CASE WHEN id % 28 < 9 THEN '0' ELSE '' END || (1 + id % 28) || ' 08:00:00')
FROM n;
