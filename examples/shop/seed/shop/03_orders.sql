-- 200,000 orders of users 1 to 50,000 for products 1 to 10,000, the same on every machine; of several shards each takes
-- those of its users.
INSERT INTO orders (id, user_id, product_id, quantity, total_cents, state, created_at)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
SELECT 'order-' || (1000000 + i),
       1 + (i * 7) % 50000,
       p.product_id,
       1 + i % 3,
       (1 + i % 3) * p.price_cents,
       CASE i % 20 WHEN 0 THEN 'cancelled' WHEN 1 THEN 'placed' WHEN 2 THEN 'paid' ELSE 'shipped' END,
       datetime('2026-0' || (3 + i % 6) || '-' || CASE WHEN i % 28 < 9 THEN '0' ELSE '' END || (1 + i % 28) || ' 1' || (i % 10) || ':00:00')
FROM n JOIN prices p ON p.product_id = 1 + (i * 13) % 10000
WHERE sluice_here(1 + (i * 7) % 50000);
