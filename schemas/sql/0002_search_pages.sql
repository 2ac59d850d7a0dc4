-- Indexes that hold a page of a search in its order, so that a search reads what it answers and no more:
-- ids and the columns of the order stand in the index itself, and the table is read for the page alone.
-- Building them takes about a minute for a million studies. Storing waits until it is done.

DROP INDEX study_started;
CREATE INDEX study_started
    ON study (tenant_id, started_from DESC NULLS LAST, study_instance_uid) INCLUDE (id);

DROP INDEX study_patient_id;
CREATE INDEX study_patient_id
    ON study (tenant_id, patient_id, started_from DESC NULLS LAST, study_instance_uid) INCLUDE (id);
DROP INDEX study_accession_number;
CREATE INDEX study_accession_number
    ON study (tenant_id, accession_number, started_from DESC NULLS LAST, study_instance_uid) INCLUDE (id);

-- A name that few studies have: all of them, by the first, then sorted. One that many have: in order, among
-- the names that begin with the same two characters, by the second.
DROP INDEX study_patient_name;
CREATE INDEX study_patient_name
    ON study (tenant_id, patient_name) INCLUDE (id, started_from, study_instance_uid);
CREATE INDEX study_patient_name_start
    ON study (tenant_id, left(patient_name, 2), started_from DESC NULLS LAST, study_instance_uid)
    INCLUDE (id, patient_name);
-- The component groups of a name beside the first one that is there (dicomweb/dicom/matching.py: name_groups).
UPDATE study SET patient_name = split_part(patient_name_groups, E'\n', 2)
 WHERE patient_name IS NULL AND patient_name_groups IS NOT NULL;
CREATE INDEX study_patient_name_second ON study (tenant_id, split_part(patient_name_groups, E'\n', 3))
 WHERE patient_name_groups LIKE E'\n%\n%\n\t%';
CREATE INDEX study_patient_name_third ON study (tenant_id, split_part(patient_name_groups, E'\n', 4))
 WHERE patient_name_groups LIKE E'\n%\n%\n%\n\t%';
-- More of them than a name has: of several names in one attribute.
CREATE INDEX study_patient_name_others ON study (tenant_id)
 WHERE patient_name_groups LIKE E'\n%\n%\n%\n%\n\t%';

-- Parts of these texts, and values that few studies have, are found without the others.
CREATE INDEX study_referring_physician_name_groups ON study USING gin (referring_physician_name_groups gin_trgm_ops);
CREATE INDEX study_patient_id_parts ON study USING gin (patient_id gin_trgm_ops);
CREATE INDEX study_issuer_of_patient_id ON study (tenant_id, issuer_of_patient_id);
CREATE INDEX study_patient_sex ON study (tenant_id, patient_sex);
