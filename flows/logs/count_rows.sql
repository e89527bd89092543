-- For each object: its first row, how many rows it has, and how many of them are not valid.
SELECT object, min(line_number), count(*), count(*) FILTER (NOT is_valid(verdict))
FROM judged
GROUP BY object;
