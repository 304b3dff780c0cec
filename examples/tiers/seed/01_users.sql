-- 1,000 users, the same on every node.
INSERT INTO users (id, name, email)
WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 1000)
SELECT id,
       CASE id % 5 WHEN 0 THEN 'Ada' WHEN 1 THEN 'Ben' WHEN 2 THEN 'Chi' WHEN 3 THEN 'Dua' ELSE 'Eli' END
           || ' ' ||
       CASE id % 3 WHEN 0 THEN 'Abel' WHEN 1 THEN 'Brandt' ELSE 'Castro' END,
       'user' || id || '@example.org'
FROM n;
