-- 50,000 users, the same on every machine; of several shards each takes those that belong there.
INSERT INTO users (id, name, email, country, credit_cents, created_at)
WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 50000)
SELECT id,
       CASE id % 10 WHEN 0 THEN 'Ada' WHEN 1 THEN 'Ben' WHEN 2 THEN 'Chi' WHEN 3 THEN 'Dua' WHEN 4 THEN 'Eli'
                    WHEN 5 THEN 'Fay' WHEN 6 THEN 'Gus' WHEN 7 THEN 'Hana' WHEN 8 THEN 'Ivo' ELSE 'Jun' END
           || ' ' ||
       CASE id % 7 WHEN 0 THEN 'Abel' WHEN 1 THEN 'Brandt' WHEN 2 THEN 'Castro' WHEN 3 THEN 'Demir'
                   WHEN 4 THEN 'Evans' WHEN 5 THEN 'Fischer' ELSE 'Garcia' END,
       'user' || id || '@example.org',
       CASE id % 6 WHEN 0 THEN 'DE' WHEN 1 THEN 'FR' WHEN 2 THEN 'ES' WHEN 3 THEN 'IT' WHEN 4 THEN 'PL' ELSE 'US' END,
       100000 + (id * 31) % 900000,
       datetime('2026-02-' || CASE WHEN id % 28 < 9 THEN '0' ELSE '' END || (1 + id % 28) || ' 09:00:00')
FROM n
WHERE sluice_here(id);
