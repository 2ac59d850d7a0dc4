-- Descriptions by trigrams that know case: those of pg_trgm do not, and a part of a description in another case
-- than stored was looked for in every study that has it in its own. Capital letters stand here as letters without
-- another case (dicomweb/catalog/search_patterns.py).
DROP INDEX study_study_description;
CREATE INDEX study_study_description ON study USING gin (
    translate(study_description, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'あぃいぅうぇえぉおかがきぎくぐけげこごさざしじすずせ')
    gin_trgm_ops
);

-- Whether a pattern matches many studies, which are walked through in order, or few, which are found by their
-- trigrams, PostgreSQL tells by trying it on the values it has kept: on more of them it is right more often.
ALTER TABLE study ALTER COLUMN patient_id SET STATISTICS 1000;
ALTER TABLE study ALTER COLUMN patient_name_groups SET STATISTICS 1000;

-- Of a list that 0004 has filled, and of the indexes of expressions, nothing is known before. An empty archive
-- is left to autovacuum.
DO $$
BEGIN
    IF EXISTS (SELECT FROM study) THEN
        ANALYZE study, study_modality;
    END IF;
END
$$;
